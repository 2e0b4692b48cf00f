// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"errors"
	"os"
	"strings"

	shm "github.com/xll-gen/shm/go"
)

// kinds are the errors of an attachment, under the names that they have in C.
var kinds = []struct {
	err  error
	name string
}{
	{shm.ErrBadName, "SIPC_BAD_NAME"},
	{shm.ErrNoHost, "SIPC_NO_HOST"},
	{shm.ErrNotARegion, "SIPC_NOT_A_REGION"},
	{shm.ErrVersionMismatch, "SIPC_VERSION_MISMATCH"},
	{shm.ErrBadGeometry, "SIPC_BAD_GEOMETRY"},
	{shm.ErrBackendUnsupported, "SIPC_BACKEND_UNSUPPORTED"},
	{shm.ErrForbidden, "SIPC_FORBIDDEN"},
	{shm.ErrNoSlot, "SIPC_NO_SLOT"},
	{shm.ErrRegionLost, "SIPC_REGION_LOST"},
	{shm.ErrSystem, "SIPC_SYSTEM"},
}

func nameOf(err error) string {
	if err == nil {
		return "SIPC_OK"
	}
	for _, kind := range kinds {
		if errors.Is(err, kind.err) {
			return kind.name
		}
	}
	return "unknown"
}

// attachEach tries once for each line, which is a region's name and perhaps " any-owner".
func attachEach() {
	say("ready")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		name := strings.TrimSuffix(lines.Text(), " any-owner")
		options := []shm.Option{shm.WithAttachTimeout(0)}
		if name != lines.Text() {
			options = append(options, shm.WithAnyOwner())
		}
		client, err := shm.ConnectContext(context.Background(), name, options...)
		text := ""
		if err != nil {
			text = strings.ReplaceAll(err.Error(), "\n", " ")
		}
		client.Close()
		say("%s %s", nameOf(err), text)
	}
}
