# A thin front of meson, for people. BUILD=folder, SECONDS=per fuzz target, DESTDIR and PREFIX for install.
BUILD = build
SECONDS = 60
PREFIX = /usr/local

all: $(BUILD)/build.ninja
	ninja -C $(BUILD)

$(BUILD)/build.ninja:
	meson setup $(BUILD) --prefix=$(PREFIX)

test: all
	meson test -C $(BUILD) --print-errorlogs

check:
	./check

demo:
	./demo

bench: all
	@tools/bench $(BUILD)

fuzz:
	tools/fuzz $(SECONDS)

mutate:
	tools/mutate

install: all
	meson install -C $(BUILD) --no-rebuild

format:
	tools/format

lint:
	tools/lint

clean:
	rm -rf $(BUILD) build-cache build-fuzz build-lint

.PHONY: all test check demo bench fuzz mutate install format lint clean
