package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
)

const (
	unknown = 5 * time.Second  // for news of a pod, which the kubelet has before us or after
	ruled   = 20 * time.Second // for its rules
	again   = time.Second      // a round that failed is asked for once more
	tick    = 10 * time.Millisecond
)

// gate answers the CNI plugin of that name: a pod that comes, once its rules are in the kernel, and one that goes.
type gate struct {
	pods    *pods
	rounds  *rounds
	request func() // a round
}

type question struct {
	Command   string    `json:"command"`
	Sandbox   string    `json:"sandbox"`
	Address   string    `json:"address"`
	Namespace string    `json:"K8S_POD_NAMESPACE"`
	Name      string    `json:"K8S_POD_NAME"`
	UID       types.UID `json:"K8S_POD_UID"`
}

func (g *gate) serve(socket string) error {
	if err := os.Remove(socket); err != nil && !os.IsNotExist(err) {
		return err // one that a killed process left has nobody behind it
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	for {
		connection, err := listener.Accept()
		if err != nil {
			return err
		}
		go g.handle(connection)
	}
}

func (g *gate) handle(connection net.Conn) {
	defer connection.Close()
	var asked question
	if err := json.NewDecoder(connection).Decode(&asked); err != nil {
		klog.Errorf("a question that can't be read: %v", err)
		return
	}
	answer := ""
	if err := g.answer(asked); err != nil {
		answer = fmt.Sprintf("pod %s/%s: %v", asked.Namespace, asked.Name, err)
	}
	if err := json.NewEncoder(connection).Encode(answer); err != nil {
		klog.Warningf("pod %s/%s: nobody hears the answer: %v", asked.Namespace, asked.Name, err)
	}
}

func (g *gate) answer(asked question) error {
	if asked.Command == "DEL" {
		defer g.request()
		return g.pods.leave(asked.UID, asked.Sandbox)
	}
	start := time.Now()
	for {
		known, err := g.pods.come(asked.UID, asked.Sandbox, asked.Address)
		if err != nil {
			return err
		}
		if known {
			break
		}
		if time.Since(start) > unknown {
			return fmt.Errorf("the API server does not tell of it (UID %s)", asked.UID)
		}
		time.Sleep(tick)
	}
	for round := g.rounds.next(); ; {
		g.request()
		if g.rounds.wait(round, again) {
			klog.Infof("pod %s/%s: rules for %s after %v", asked.Namespace, asked.Name, asked.Address, time.Since(start))
			return nil
		}
		if time.Since(start) > ruled {
			return fmt.Errorf("no rules for %s after %v: see the log of policies", asked.Address, ruled)
		}
	}
}
