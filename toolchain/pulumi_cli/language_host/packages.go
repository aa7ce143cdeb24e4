package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// The folders that a program's interpreter imports installed packages from.
func (h *host) sitePackages(info *pulumirpc.ProgramInfo) ([]string, error) {
	python, err := h.interpreter(info)
	if err != nil {
		return nil, err
	}
	return filepath.Glob(filepath.Join(filepath.Dir(filepath.Dir(python)), "lib", "python*", "site-packages"))
}

// The resource plugins, at the exact versions of the SDK packages that are installed.
func requiredPlugins(folders []string) ([]*pulumirpc.PackageDependency, error) {
	var found []*pulumirpc.PackageDependency
	for _, folder := range folders {
		manifests, err := filepath.Glob(filepath.Join(folder, "*", "pulumi-plugin.json"))
		if err != nil {
			return nil, err
		}
		for _, manifest := range manifests {
			plugin, err := readManifest(manifest)
			if err != nil {
				return nil, err
			}
			if plugin != nil {
				found = append(found, plugin)
			}
		}
	}
	return found, nil
}

func readManifest(path string) (*pulumirpc.PackageDependency, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var manifest struct {
		Resource              bool
		Name, Version, Server string
	}
	if err := json.Unmarshal(text, &manifest); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if !manifest.Resource {
		return nil, nil
	}
	name := manifest.Name
	if name == "" {
		name = strings.ReplaceAll(strings.TrimPrefix(filepath.Base(filepath.Dir(path)), "pulumi_"), "_", "-")
	}
	return &pulumirpc.PackageDependency{
		Name: name, Kind: "resource", Version: manifest.Version, Server: manifest.Server,
	}, nil
}

// Every installed distribution, for `pulumi about`.
func distributions(folders []string) ([]*pulumirpc.DependencyInfo, error) {
	var found []*pulumirpc.DependencyInfo
	for _, folder := range folders {
		files, err := filepath.Glob(filepath.Join(folder, "*.dist-info", "METADATA"))
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			distribution, err := readDistribution(file)
			if err != nil {
				return nil, err
			}
			found = append(found, distribution)
		}
	}
	return found, nil
}

// A distribution's name and version: headers that end with the first empty line.
func readDistribution(path string) (*pulumirpc.DependencyInfo, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	found, lines := &pulumirpc.DependencyInfo{}, bufio.NewScanner(file)
	for lines.Scan() && lines.Text() != "" {
		if name, isName := strings.CutPrefix(lines.Text(), "Name: "); isName {
			found.Name = name
		} else if version, isVersion := strings.CutPrefix(lines.Text(), "Version: "); isVersion {
			found.Version = version
		}
	}
	return found, lines.Err()
}

// The version of the Python SDK that the set-up installed.
func (h *host) sdkVersion() (string, error) {
	folders, err := h.sitePackages(nil)
	if err != nil {
		return "", err
	}
	for _, folder := range folders {
		files, err := filepath.Glob(filepath.Join(folder, "pulumi-[0-9]*.dist-info", "METADATA"))
		if err != nil {
			return "", err
		}
		for _, file := range files {
			distribution, err := readDistribution(file)
			return distribution.GetVersion(), err
		}
	}
	return "", fmt.Errorf("pulumi is not installed in %v: run `make setup`", folders)
}
