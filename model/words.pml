// SPDX-License-Identifier: Apache-2.0
// The state words of a slot (spec 3).

// Codes of the caller's word.
#define IDLE 0
#define REQUEST 1
#define CANCELLED 2
#define CLOSED 3
#define TINY 4

// Codes of the responder's two words.
#define NONE 0
#define RESPONSE 1
#define ATTENDED 4

#define word(g, code) ((g) * 8 + (code))
#define generation_of(state) ((state) / 8)
#define code_of(state) ((state) & 3)
#define is_tiny(state) (((state) & TINY) != 0)
#define unattended(state) ((state) & 251)
#define response(g) word(g, RESPONSE)
