package main

import (
	"sync"
	"time"

	core "k8s.io/api/core/v1"

	"github.com/cloudnativelabs/kube-router/v2/pkg/utils"
)

// rounds count how often kube-router writes its rules, by two calls that it makes in each round: it asks for its chains
// before it reads what pods there are, and for its sets once the rules are in the kernel. A round that fails never ends.
type rounds struct {
	mutex       sync.Mutex
	begun, done int
	ended       chan struct{} // closed with each
}

func newRounds() *rounds { return &rounds{ended: make(chan struct{})} }

func (r *rounds) begin() {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.begun++
}

func (r *rounds) end() {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.done = r.begun
	close(r.ended)
	r.ended = make(chan struct{})
}

// next is the first that reads whatever is there now.
func (r *rounds) next() int {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return r.begun + 1
}

// wait says whether a round has ended in that time.
func (r *rounds) wait(round int, patience time.Duration) bool {
	deadline := time.After(patience)
	for {
		r.mutex.Lock()
		done, ended := r.done, r.ended
		r.mutex.Unlock()
		if done >= round {
			return true
		}
		select {
		case <-ended:
		case <-deadline:
			return false
		}
	}
}

type tables struct {
	utils.IPTablesHandler
	rounds *rounds
}

func (t tables) ChainExists(table, chain string) (bool, error) {
	t.rounds.begin()
	return t.IPTablesHandler.ChainExists(table, chain)
}

type sets struct {
	utils.IPSetHandler
	rounds *rounds
}

func (s sets) Save() error {
	s.rounds.end()
	return s.IPSetHandler.Save()
}

// count has the rounds hear of kube-router's calls.
func (r *rounds) count(t map[core.IPFamily]utils.IPTablesHandler, s map[core.IPFamily]utils.IPSetHandler) {
	t[core.IPv4Protocol] = tables{t[core.IPv4Protocol], r}
	s[core.IPv4Protocol] = sets{s[core.IPv4Protocol], r}
}
