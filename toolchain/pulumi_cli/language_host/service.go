package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

// The SDK's executor leaves with this code when it has shown its message to the user already.
const messageWasShown = 32

// The gRPC service, as far as running things needs it. Generating code, packing and linking SDKs are the official
// host's: those calls answer "unimplemented", which the CLI reports.
type host struct {
	pulumirpc.UnimplementedLanguageRuntimeServer
	python, executor, start, engine string
	children                        *children
}

// The engine tells its address.
func (h *host) Handshake(
	_ context.Context, request *pulumirpc.LanguageHandshakeRequest,
) (*pulumirpc.LanguageHandshakeResponse, error) {
	h.engine = request.GetEngineAddress()
	return &pulumirpc.LanguageHandshakeResponse{}, nil
}

// The version that `pulumi about` shows: the Python SDK's.
func (h *host) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	version, err := h.sdkVersion()
	return &pulumirpc.PluginInfo{Version: version}, err
}

// The provider plugins that a program's SDK packages ask for.
func (h *host) GetRequiredPackages(
	_ context.Context, request *pulumirpc.GetRequiredPackagesRequest,
) (*pulumirpc.GetRequiredPackagesResponse, error) {
	folders, err := h.sitePackages(request.GetInfo())
	if err != nil {
		return nil, status.Error(codes.FailedPrecondition, err.Error())
	}
	found, err := requiredPlugins(folders)
	return &pulumirpc.GetRequiredPackagesResponse{Packages: found}, err
}

// Run a Pulumi program to its end; what it prints is this host's output, which the engine shows.
func (h *host) Run(ctx context.Context, request *pulumirpc.RunRequest) (*pulumirpc.RunResponse, error) {
	words, err := h.programCommand(request)
	if err != nil {
		return &pulumirpc.RunResponse{Error: err.Error()}, nil
	}
	program, err := h.children.start(command(words, request.GetPwd(), programEnvironment(request)), false)
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, program.stop)()
	switch code := program.wait(); code {
	case 0:
		return &pulumirpc.RunResponse{}, nil
	case messageWasShown:
		return &pulumirpc.RunResponse{Bail: true}, nil
	default:
		return &pulumirpc.RunResponse{Error: fmt.Sprintf("the program exited with code %d", code)}, nil
	}
}

// Run a plugin or policy pack and pass its output on; the engine ends it by cancelling the call.
func (h *host) RunPlugin(
	request *pulumirpc.RunPluginRequest, stream grpc.ServerStreamingServer[pulumirpc.RunPluginResponse],
) error {
	words, err := h.pluginCommand(request)
	if err != nil {
		return status.Error(codes.FailedPrecondition, err.Error())
	}
	running := command(words, request.GetPwd(), request.GetEnv())
	running.Stdout, running.Stderr = outputs(
		func(data []byte) error {
			return stream.Send(&pulumirpc.RunPluginResponse{Output: &pulumirpc.RunPluginResponse_Stdout{Stdout: data}})
		},
		func(data []byte) error {
			return stream.Send(&pulumirpc.RunPluginResponse{Output: &pulumirpc.RunPluginResponse_Stderr{Stderr: data}})
		},
	)
	plugin, err := h.children.start(running, true)
	if err != nil {
		return err
	}
	defer context.AfterFunc(stream.Context(), plugin.stop)()
	code := int32(plugin.wait())
	return stream.Send(&pulumirpc.RunPluginResponse{Output: &pulumirpc.RunPluginResponse_Exitcode{Exitcode: code}})
}

// `pulumi install` and the installation of a plugin: fill the virtual environment that its project names.
func (h *host) InstallDependencies(
	request *pulumirpc.InstallDependenciesRequest,
	stream grpc.ServerStreamingServer[pulumirpc.InstallDependenciesResponse],
) error {
	for _, words := range h.installCommands(request.GetInfo()) {
		running := command(words, request.GetInfo().GetProgramDirectory(), os.Environ())
		running.Stdout, running.Stderr = outputs(
			func(data []byte) error { return stream.Send(&pulumirpc.InstallDependenciesResponse{Stdout: data}) },
			func(data []byte) error { return stream.Send(&pulumirpc.InstallDependenciesResponse{Stderr: data}) },
		)
		installing, err := h.children.start(running, true)
		if err != nil {
			return err
		}
		done := context.AfterFunc(stream.Context(), installing.stop)
		code := installing.wait()
		done()
		if code != 0 {
			return status.Errorf(codes.Internal, "`%s` failed with exit code %d", strings.Join(words, " "), code)
		}
	}
	return nil
}

// The interpreter that runs programs.
func (h *host) About(ctx context.Context, request *pulumirpc.AboutRequest) (*pulumirpc.AboutResponse, error) {
	python, err := h.interpreter(request.GetInfo())
	if err != nil {
		python = h.python
	}
	said, err := exec.CommandContext(ctx, python, "--version").Output()
	if err != nil {
		return nil, err
	}
	version := strings.TrimPrefix(firstLine(said), "Python ")
	return &pulumirpc.AboutResponse{Executable: python, Version: version}, nil
}

// The distributions in the program's environment, for `pulumi about`.
func (h *host) GetProgramDependencies(
	_ context.Context, request *pulumirpc.GetProgramDependenciesRequest,
) (*pulumirpc.GetProgramDependenciesResponse, error) {
	folders, err := h.sitePackages(request.GetInfo())
	if err != nil {
		return nil, status.Error(codes.FailedPrecondition, err.Error())
	}
	found, err := distributions(folders)
	return &pulumirpc.GetProgramDependenciesResponse{Dependencies: found}, err
}

// The engine gives up: no program is of use any more. Plugins hear it from the engine themselves, and still have to tell
// it how far they came with what was under way.
func (h *host) Cancel(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	h.children.kill(func(each *child) bool { return !each.plugin })
	return &emptypb.Empty{}, nil
}
