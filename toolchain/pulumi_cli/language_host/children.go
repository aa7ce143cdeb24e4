package main

import (
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

const (
	grace = 2 * time.Second
	// An interrupt of the process group is the engine's word to the host: programs and plugins, which the host ends, would
	// answer it with tracebacks.
	uninterrupted = `trap "" INT; exec "$@"`
)

// A process that this host started. Children stay in the host's process group, so that the engine's kill of that group
// reaches them even if the host itself gets no chance to act.
type child struct {
	command *exec.Cmd
	plugin  bool
	ended   chan struct{}
}

// Those that have not ended.
type children struct {
	lock    sync.Mutex
	running map[*child]bool
}

func newChildren() *children {
	return &children{running: map[*child]bool{}}
}

// A command to be started; its output is this host's unless it is given another, and the engine reads and shows it.
func command(words []string, folder string, environment []string) *exec.Cmd {
	made := exec.Command("/bin/sh", append([]string{"-c", uninterrupted, "sh"}, words...)...)
	made.Dir, made.Env, made.Stdout, made.Stderr = folder, environment, os.Stdout, os.Stderr
	return made
}

func (c *children) start(command *exec.Cmd, plugin bool) (*child, error) {
	started := &child{command, plugin, make(chan struct{})}
	c.lock.Lock()
	defer c.lock.Unlock()
	if err := command.Start(); err != nil {
		return nil, err
	}
	c.running[started] = true
	go func() {
		_ = command.Wait() // the exit code says it
		c.lock.Lock()
		delete(c.running, started)
		c.lock.Unlock()
		close(started.ended)
	}()
	return started, nil
}

// End the chosen ones at once.
func (c *children) kill(chosen func(*child) bool) {
	c.lock.Lock()
	defer c.lock.Unlock()
	for each := range c.running {
		if chosen(each) {
			_ = each.command.Process.Kill() // it may have ended
		}
	}
}

// Wait for it to end by itself or by `stop`, and give its exit code, or minus the signal that ended it.
func (c *child) wait() int {
	<-c.ended
	status := c.command.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return -int(status.Signal())
	}
	return status.ExitStatus()
}

// Ask it to end, and make it end when it does not.
func (c *child) stop() {
	_ = c.command.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-c.ended:
	case <-time.After(grace):
		_ = c.command.Process.Kill()
	}
}

// Passes on what a child prints, as it comes.
type sender func(data []byte) error

func (s sender) Write(data []byte) (int, error) {
	if err := s(data); err != nil {
		return 0, err
	}
	return len(data), nil
}

// The writers of both outputs, of which one at a time may send.
func outputs(stdout, stderr sender) (io.Writer, io.Writer) {
	var lock sync.Mutex
	alone := func(send sender) sender {
		return func(data []byte) error {
			lock.Lock()
			defer lock.Unlock()
			return send(data)
		}
	}
	return alone(stdout), alone(stderr)
}
