/* QR pictures in a terminal, two modules per character. libqrencode is loaded when it is needed. */
#pragma once

#include <stdbool.h>

#include "base/buffer.h"

struct qr;

/* NULL when libqrencode is not installed. */
struct qr *qr_open(void);
/* NULL is fine. */
void qr_close(struct qr *qr);
/* Appends the picture of the text, or returns false when it is too long for one. Light modules are
 * blocks, so a dark terminal shows it as it should be; with colours it is right on any. */
bool qr_print(const struct qr *qr, const char *text, bool has_colour, struct buffer *out);
