// SPDX-License-Identifier: Apache-2.0

// Package cpu has what the hot paths need of the processor and Go does not offer.
package cpu
