// Package zxcvbn is the same for `pulumi env set`, which has another name for it.
package zxcvbn

import "github.com/nbutton23/zxcvbn-go"

// PasswordStrength: see there.
var PasswordStrength = zxcvbn.PasswordStrength
