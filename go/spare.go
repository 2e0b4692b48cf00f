// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"context"
	"time"
)

// A guest that waits for slots, as a spare (spec, section 9.2).

// After news: a claim is free a moment after its holder was seen to close the object.
const (
	firstRest = time.Millisecond
	lastRest  = 32 * time.Millisecond
	untold    = 50 * time.Millisecond // where the system does not tell
)

// freeSlots is how many slots there are to claim, at this moment.
func freeSlots(r *region) (free int, err error) {
	wanted, _, err := slotsToClaim(r)
	for _, index := range wanted {
		claimed, err := r.object.claimedByAnother(claimFirstSlot + uint64(index))
		if err != nil {
			return free, err
		}
		if !claimed {
			free++
		}
	}
	return free, err
}

// awaitSlots waits until as many slots are free as the options ask for, or until the deadline.
func awaitSlots(ctx context.Context, r *region, s *settings, deadline time.Time) error {
	wanted := 1
	if s.workers > 0 {
		wanted = s.workers * s.slotsEach
	}
	if most := int(r.layout.hostSlots); wanted > most {
		return nil // which is an error of its own
	}
	var news <-chan struct{}
	told := false // of whatever makes a claim free
	if watch := r.object.watchChanges(); watch != nil {
		defer watch.stop()
		news, told = watch.news(), watch.hearsOfEnds()
	}
	for rest := firstRest; ; rest *= 2 {
		free, err := freeSlots(r)
		if err != nil || free >= wanted || !time.Now().Before(deadline) {
			return err
		}
		if lives, err := r.object.claimedByAnother(claimHost); err != nil || !lives {
			return &notReady{"its host is gone"}
		}
		pause := time.Until(deadline)
		if !told && rest > lastRest {
			rest = untold
		}
		if (rest <= lastRest || !told) && rest < pause {
			pause = rest
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			err = &notReady{"other guests serve its slots"}
		case <-news:
			rest = firstRest / 2
		case <-timer.C:
		}
		timer.Stop()
		if err != nil {
			return err
		}
	}
}
