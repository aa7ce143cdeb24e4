// Pulumi's language host for Python. The Pulumi CLI starts a process named `pulumi-language-python` to run programs,
// policy packs and plugins, and talks to it over gRPC (the service `pulumirpc.LanguageRuntime`); two of them for every
// `pulumi up`. The official one is a binary from Pulumi's download site; the set-up builds this one beside the CLI where
// that site is not reached, and only there. It is written in Go since Python takes longer to load gRPC than all of it.
//
// The wrapper that the set-up writes gives it the interpreter, the SDK's executor and toolchain/later.py, which starts
// both programs and policy packs; then come the engine's own arguments: flags, and last its address.
package main

import (
	"fmt"
	"log"
	"math"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
)

const parentCheck = 500 * time.Millisecond

func main() {
	if len(os.Args) < 5 {
		log.Fatal("usage: language_host PYTHON EXECUTOR START [FLAG]... ENGINE")
	}
	children := newChildren()
	host := &host{
		python: os.Args[1], executor: os.Args[2], start: os.Args[3], engine: os.Args[len(os.Args)-1], children: children,
	}
	// The engine closes a host by interrupting its whole process group, and waits five seconds for it to go.
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGINT, syscall.SIGTERM)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	// Pulumi sends whole resource graphs in one message.
	server := grpc.NewServer(grpc.MaxRecvMsgSize(math.MaxInt32), grpc.MaxSendMsgSize(math.MaxInt32))
	pulumirpc.RegisterLanguageRuntimeServer(server, host)
	go func() { log.Fatal(server.Serve(listener)) }()
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	waitForTheEnd(asked, os.Getppid())
	leave(children)
}

// An engine that was killed tells nobody; its children are adopted by another process.
func waitForTheEnd(asked <-chan os.Signal, parent int) {
	for os.Getppid() == parent {
		select {
		case <-asked:
			return
		case <-time.After(parentCheck):
		}
	}
}

// End every child, and what they started too where the engine gave us a process group of our own.
func leave(children *children) {
	children.kill(func(*child) bool { return true })
	if syscall.Getpgrp() == os.Getpid() {
		_ = syscall.Kill(0, syscall.SIGKILL) // this process too
	}
	os.Exit(0)
}
