// SPDX-License-Identifier: Apache-2.0

package shm

import "fmt"

// checkName says whether a region may bear this name (spec, section 9).
func checkName(name string) error { return checkAnyName(name, maxName) }

// checkGuestName says whether a guest may bear this name (spec, section 9.2).
func checkGuestName(name string) error {
	if err := checkAnyName(name, maxGuestName); err != nil {
		return fmt.Errorf("the guest's name: %w", err)
	}
	return nil
}

func checkAnyName(name string, most int) error {
	if len(name) == 0 {
		return fmt.Errorf("%w: it is empty; give 1 to %d characters", ErrBadName, most)
	}
	if len(name) > most {
		return fmt.Errorf("%w: it has %d bytes; give at most %d", ErrBadName, len(name), most)
	}
	if name[0] == '.' {
		return fmt.Errorf("%w: %q begins with a dot", ErrBadName, name)
	}
	for i := 0; i < len(name); i++ {
		if !allowedInName(name[i]) {
			return fmt.Errorf("%w: byte %d of %q is 0x%02x; use A-Z a-z 0-9 . _ - only",
				ErrBadName, i, name, name[i])
		}
	}
	return nil
}

func allowedInName(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		return true
	}
	return c == '.' || c == '_' || c == '-'
}
