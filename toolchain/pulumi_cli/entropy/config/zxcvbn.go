// Package zxcvbn stands in for the estimator with which `pulumi config set` asks whether a value of a key that is named
// like a secret's may be kept in plain. That one unpacks lists of words and names, twice, whenever `pulumi` starts: more
// than half of what a start costs. Without them a value of words looks as strong as any other of its length, so that
// Pulumi asks for --secret or --plaintext more often, never less.
package zxcvbn

import (
	"math"
	"strings"
)

// Strength is what Pulumi reads of it.
type Strength struct{ Entropy float64 }

var alphabets = []string{"abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"}

// As many as there are of every other kind that can be typed.
const others = 33

// PasswordStrength gives the bits that it takes to choose the value among all of its length and kinds of characters.
func PasswordStrength(value string, _ []string) Strength {
	choices, rest := 0, len(value)
	for _, alphabet := range alphabets {
		found := 0
		for _, character := range value {
			if strings.ContainsRune(alphabet, character) {
				found++
			}
		}
		if found > 0 {
			choices += len(alphabet)
			rest -= found
		}
	}
	if rest > 0 {
		choices += others
	}
	if choices == 0 {
		return Strength{}
	}
	return Strength{Entropy: float64(len(value)) * math.Log2(float64(choices))}
}
