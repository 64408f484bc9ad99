#include "cmd/qr.h"

#include <dlfcn.h>
#include <stdlib.h>

#include "base/memory.h"

#define QUIET_ZONE 4 /* modules around it, ISO/IEC 18004 */

/* libqrencode's own names and layout (qrencode.h of version 4, libqrencode.so.4): written here, so
 * that neither building nor running wayleave needs the library. */
struct qr_code {
	int version, width;
	unsigned char *modules; /* width * width; bit 0: dark */
};

#define QR_LEVEL_LOW 0 /* 7 % of damage; a screen has none, and every module counts */

struct qr {
	void *library;
	struct qr_code *(*encode)(const char *text, int version, int level);
	void (*free)(struct qr_code *code);
};

struct qr *qr_open(void)
{
	struct qr *qr = new (struct qr);

	qr->library = dlopen("libqrencode.so.4", RTLD_NOW | RTLD_LOCAL);
	if (qr->library) {
		*(void **)&qr->encode = dlsym(qr->library, "QRcode_encodeString8bit");
		*(void **)&qr->free = dlsym(qr->library, "QRcode_free");
	}
	if (qr->encode && qr->free)
		return qr;
	qr_close(qr);
	return NULL;
}

void qr_close(struct qr *qr)
{
	if (qr && qr->library)
		dlclose(qr->library);
	free(qr);
}

static bool is_dark(const struct qr_code *code, int x, int y)
{
	x -= QUIET_ZONE;
	y -= QUIET_ZONE;
	return x >= 0 && y >= 0 && x < code->width && y < code->width &&
	       code->modules[y * code->width + x] & 1;
}

static void print_code(const struct qr_code *code, bool has_colour, struct buffer *out)
{
	/* By (upper is light, lower is light). */
	static const char *const blocks[2][2] = {{" ", "\u2584"}, {"\u2580", "\u2588"}};
	int size = code->width + 2 * QUIET_ZONE;

	for (int y = 0; y < size; y += 2) {
		buffer_print(out, "%s", has_colour ? "\033[97;40m" : "");
		for (int x = 0; x < size; x++)
			buffer_print(out, "%s",
				     blocks[!is_dark(code, x, y)][!is_dark(code, x, y + 1)]);
		buffer_print(out, "%s", has_colour ? "\033[0m\n" : "\n");
	}
}

bool qr_print(const struct qr *qr, const char *text, bool has_colour, struct buffer *out)
{
	struct qr_code *code = qr->encode(text, 0, QR_LEVEL_LOW);

	if (!code)
		return false;
	print_code(code, has_colour, out);
	qr->free(code);
	return true;
}
