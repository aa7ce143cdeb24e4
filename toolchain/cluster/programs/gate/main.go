// Command gate is the last plugin in the node's CNI chain: a pod's network is ready once the policies' rules for it are
// in the kernel, so none of its processes runs before. It asks the program policies, by its socket.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"
)

const (
	patience = 30 * time.Second // then the kubelet tries again, with a new sandbox
	pause    = 100 * time.Millisecond
	tryLater = 11 // CNI's code for it
)

// network is the part of what CNI hands a plugin that matters here.
type network struct {
	Version  string          `json:"cniVersion"`
	Socket   string          `json:"socket"`
	Previous json.RawMessage `json:"prevResult"`
}

func main() {
	var told network
	if err := json.NewDecoder(os.Stdin).Decode(&told); err != nil {
		fail(told, err)
	}
	command := os.Getenv("CNI_COMMAND")
	if command == "VERSION" {
		fmt.Printf(`{"cniVersion": %q, "supportedVersions": ["0.4.0", "1.0.0"]}`, told.Version)
		return
	}
	if command != "ADD" && command != "DEL" {
		return // CHECK and what later versions may bring: nothing here could have been lost
	}
	if err := ask(told, command); err != nil {
		fail(told, err)
	}
	if command == "ADD" {
		fmt.Println(string(told.Previous))
	}
}

// ask tells the policies of a pod that comes or goes, again and again while they are being started anew.
func ask(told network, command string) error {
	question := map[string]string{"command": command, "sandbox": os.Getenv("CNI_CONTAINERID")}
	for _, pair := range strings.Split(os.Getenv("CNI_ARGS"), ";") {
		name, value, _ := strings.Cut(pair, "=")
		question[name] = value
	}
	if command == "ADD" {
		address, err := given(told.Previous)
		if err != nil {
			return err
		}
		question["address"] = address
	}
	deadline := time.Now().Add(patience)
	for {
		answer, err := exchange(told.Socket, question, deadline)
		if err == nil && answer != "" {
			return errors.New(answer)
		}
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(pause)
	}
}

// given is the address that an earlier plugin gave the pod.
func given(previous json.RawMessage) (string, error) {
	var result struct {
		IPs []struct{ Address string } `json:"ips"`
	}
	if err := json.Unmarshal(previous, &result); err != nil {
		return "", fmt.Errorf("the result of the plugin before: %w", err)
	}
	for _, each := range result.IPs {
		if address, _, err := net.ParseCIDR(each.Address); err == nil {
			return address.String(), nil
		}
	}
	return "", errors.New("the plugins before gave the pod no address")
}

// exchange returns what the policies say: nothing when all is well.
func exchange(socket string, question map[string]string, deadline time.Time) (string, error) {
	connection, err := net.Dial("unix", socket)
	if err != nil {
		return "", err
	}
	defer connection.Close()
	if err := connection.SetDeadline(deadline); err != nil {
		return "", err
	}
	if err := json.NewEncoder(connection).Encode(question); err != nil {
		return "", err
	}
	var answer string
	return answer, json.NewDecoder(connection).Decode(&answer)
}

func fail(told network, err error) {
	said := map[string]any{"cniVersion": told.Version, "code": tryLater, "msg": "network policies: " + err.Error()}
	if err := json.NewEncoder(os.Stdout).Encode(said); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(1)
}
