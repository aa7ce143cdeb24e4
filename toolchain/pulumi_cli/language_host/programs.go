package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// The folder of the project's `runtime.options.virtualenv`, empty without that option; not resolved, since a virtual
// environment is known by its path.
func virtualenv(info *pulumirpc.ProgramInfo) string {
	option := info.GetOptions().GetFields()["virtualenv"].GetStringValue()
	if option == "" || filepath.IsAbs(option) {
		return option
	}
	return filepath.Join(info.GetRootDirectory(), option)
}

// The Python that a program wants: its virtual environment's, else the one that the set-up made, which has the SDKs that
// our plugins need.
func (h *host) interpreter(info *pulumirpc.ProgramInfo) (string, error) {
	folder := virtualenv(info)
	if folder == "" {
		return h.python, nil
	}
	python := filepath.Join(folder, "bin", "python")
	if _, err := os.Stat(python); err != nil {
		option := info.GetOptions().GetFields()["virtualenv"].GetStringValue()
		return "", fmt.Errorf("%s (runtime.options.virtualenv: %s) has no bin/python: run `make setup`, "+
			"or `pulumi install` in that project", folder, option)
	}
	return python, nil
}

// How the SDK's executor runs a Pulumi program.
func (h *host) programCommand(request *pulumirpc.RunRequest) ([]string, error) {
	info := request.GetInfo()
	python, err := h.interpreter(info)
	if err != nil {
		return nil, err
	}
	words := []string{python, "-u", h.start, h.executor}
	for _, option := range [][2]string{
		{"monitor", request.GetMonitorAddress()},
		{"engine", h.engine},
		{"project", request.GetProject()},
		{"stack", request.GetStack()},
		{"organization", request.GetOrganization()},
		{"root_directory", info.GetRootDirectory()},
		{"pwd", request.GetPwd()},
		{"dry_run", strconv.FormatBool(request.GetDryRun())},
		{"parallel", strconv.Itoa(int(request.GetParallel()))},
	} {
		if option[1] != "" {
			words = append(words, "--"+option[0], option[1])
		}
	}
	return append(append(words, entry(info)), request.GetArgs()...), nil
}

// The stack's config travels in the environment: command lines can be read by every user of the machine.
func programEnvironment(request *pulumirpc.RunRequest) []string {
	config, keys := request.GetConfig(), request.GetConfigSecretKeys()
	if config == nil {
		config = map[string]string{}
	}
	if keys == nil {
		keys = []string{}
	}
	return append(os.Environ(), "PULUMI_CONFIG="+asJSON(config), "PULUMI_CONFIG_SECRET_KEYS="+asJSON(keys))
}

func asJSON(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // strings only
	}
	return string(text)
}

// Policy packs are hosted by the SDK's own module; any other plugin is a folder with a `__main__.py`.
func (h *host) pluginCommand(request *pulumirpc.RunPluginRequest) ([]string, error) {
	python, err := h.interpreter(request.GetInfo())
	if err != nil {
		return nil, err
	}
	program := entry(request.GetInfo())
	if request.GetKind() == "analyzer" {
		words := append([]string{python, "-u", h.start, "-m", "pulumi.policy"}, request.GetArgs()...)
		return append(words, program), nil
	}
	return append([]string{python, "-u", program}, request.GetArgs()...), nil
}

func entry(info *pulumirpc.ProgramInfo) string {
	return filepath.Join(info.GetProgramDirectory(), info.GetEntryPoint())
}

// What `pulumi install` runs for a project: make its environment where that is missing, then fill it from the project's
// requirements.txt where there is one. A project that names none runs in the set-up's, which has locked versions:
// nothing is installed there behind its back.
func (h *host) installCommands(info *pulumirpc.ProgramInfo) [][]string {
	folder := virtualenv(info)
	if folder == "" || exists(filepath.Join(folder, "bin", "python")) {
		return nil
	}
	commands := [][]string{{h.python, "-m", "venv", folder}}
	if requirements := filepath.Join(info.GetProgramDirectory(), "requirements.txt"); exists(requirements) {
		python := filepath.Join(folder, "bin", "python")
		commands = append(commands, []string{python, "-m", "pip", "install", "-r", requirements})
	}
	return commands
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func firstLine(text []byte) string {
	line, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimSpace(line)
}
