#!/usr/bin/env python3
"""Plants one fault at a time in a small house and asks tools/check-layers to find it."""
import os
import subprocess
import sys
import tempfile
import unittest

TOOL = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'check-layers')

HOUSE = {
    'src/layers.txt': 'base:\ncrypto: base | openssl\nproto/noise: base crypto\nsys/loop: base\n',
    'src/base/a.h': '#include <stdint.h>\n',
    'src/base/a.c': '#include "base/a.h"\n',
    'src/crypto/c.h': '',
    'src/crypto/random.h': '',
    'src/crypto/c_private.h': '',
    'src/crypto/c.c': '#include <openssl/evp.h>\n#include "crypto/c_private.h"\n#include "base/a.h"\n',
    'src/proto/noise/n.c': '#include <string.h>\n#include "base/a.h"\n#include "crypto/c.h"\n',
    'src/proto/noise/n_test.c': '#include <cmocka.h>\n#include "seeded.h"\n#include "crypto/random.h"\n',
    'src/sys/loop/l.h': '',
    'src/sys/loop/l.c': '#include <sys/epoll.h>\n#include "base/a.h"\n#include "sys/loop/l.h"\n',
    'src/sys/loop/meson.build': "l = static_library('l', s,\n  dependencies: [base, threads_dep])\n",
    'tests/harness/seeded.h': '',
}


class CheckLayers(unittest.TestCase):
    def check(self, changes, expected, build=None):
        """Writes the house with the changes (None removes a file); expected must be in the output."""
        with tempfile.TemporaryDirectory() as root:
            for path, text in {**HOUSE, **changes}.items():
                if text is None:
                    continue
                full = os.path.join(root, path)
                os.makedirs(os.path.dirname(full), exist_ok=True)
                with open(full, 'w', encoding='utf-8') as file:
                    file.write(text)
            arguments = [TOOL, '--root', root]
            if build is not None:
                arguments += ['--build', self.compile(root, build)]
            result = subprocess.run(arguments, capture_output=True, text=True)
        self.assertEqual(result.stderr, '')
        self.assertEqual(result.stdout, '' if expected is None else expected + '\n')
        self.assertEqual(result.returncode, 0 if expected is None else 1)

    def compile(self, root, text):
        folder = os.path.join(root, 'build', 'src', 'proto', 'noise')
        os.makedirs(folder)
        source, member = os.path.join(folder, 'n.c'), os.path.join(folder, 'n.o')
        with open(source, 'w', encoding='utf-8') as file:
            file.write(text)
        compiler = os.environ.get('CC', 'cc').split()
        subprocess.run(compiler + ['-O2', '-c', source, '-o', member], check=True)
        subprocess.run(['ar', 'csrT' 'D', os.path.join(folder, 'libnoise.a'), member], check=True)
        return os.path.join(root, 'build')

    def append(self, path, text, expected):
        self.check({path: HOUSE[path] + text}, expected)

    def test_a_tidy_house_has_no_fault(self):
        self.check({}, None)

    def test_an_include_beyond_the_line_is_found(self):
        self.append('src/proto/noise/n.c', '#include "sys/loop/l.h"\n',
                    'src/proto/noise/n.c:4: proto/noise may not use sys/loop ("sys/loop/l.h")')

    def test_an_include_upwards_is_found(self):
        self.append('src/base/a.c', '  #  include "crypto/c.h"\n',
                    'src/base/a.c:2: base may not use crypto ("crypto/c.h")')

    def test_a_test_may_look_at_rooms_above_but_not_below(self):
        self.append('src/proto/noise/n_test.c', '#include "sys/loop/l.h"\n',
                    'src/proto/noise/n_test.c:4: a test may use rooms above proto/noise only, '
                    'not sys/loop ("sys/loop/l.h")')

    def test_an_include_not_written_from_src_is_found(self):
        self.append('src/base/a.c', '#include "a.h"\n',
                    'src/base/a.c:2: "a.h" is not written from src/, or does not exist')

    def test_a_private_header_of_another_room_is_found(self):
        self.append('src/proto/noise/n.c', '#include "crypto/c_private.h"\n',
                    'src/proto/noise/n.c:4: "crypto/c_private.h" is private to crypto')

    def test_a_folder_missing_from_the_map_is_found(self):
        self.check({'src/attic/x.c': ''}, 'src/attic/x.c: the folder attic is not in layers.txt')

    def test_a_room_without_a_folder_is_found(self):
        self.check({'src/layers.txt': HOUSE['src/layers.txt'] + 'cellar: base\n'},
                   'layers.txt:5: there is no folder src/cellar')

    def test_an_unused_allowance_is_found(self):
        self.check({'src/proto/noise/n.c': '#include "base/a.h"\n'},
                   'layers.txt:3: proto/noise never uses crypto')

    def test_a_test_does_not_use_up_an_allowance(self):
        self.check({'src/sys/loop/l.c': '#include "sys/loop/l.h"\n',
                    'src/sys/loop/l_test.c': '#include "base/a.h"\n'},
                   'layers.txt:4: sys/loop never uses base')

    def test_a_room_named_before_it_exists_is_found(self):
        self.check({'src/layers.txt': HOUSE['src/layers.txt'].replace('base:\n', 'base: crypto\n'),
                    'src/base/a.c': '#include "crypto/c.h"\n'},
                   'layers.txt:1: base may use crypto, which is not above it')

    def test_a_foreign_header_outside_its_room_is_found(self):
        self.append('src/sys/loop/l.c', '#include <openssl/evp.h>\n',
                    'src/sys/loop/l.c:4: sys/loop may not use <openssl/evp.h>; '
                    'layers.txt lists no "openssl" for it')

    def test_an_unused_foreign_header_is_found(self):
        self.check({'src/crypto/c.c': '#include "base/a.h"\n'},
                   'layers.txt:2: crypto never includes <openssl...>')

    def test_the_system_randomness_in_proto_is_found(self):
        self.append('src/proto/noise/n.c', '#include "crypto/random.h"\n',
                    'src/proto/noise/n.c:4: proto/ draws from the random_source it is handed, '
                    'never from crypto/random.h')

    def test_a_test_generator_in_the_product_is_found(self):
        self.append('src/sys/loop/l.c', '#include "seeded.h"\n',
                    'src/sys/loop/l.c:4: "seeded.h" is for tests only')

    def test_meson_that_says_something_else_is_found(self):
        self.check({'src/sys/loop/meson.build': "static_library('l', s, dependencies: [base, crypto])\n"},
                   "src/sys/loop/meson.build: dependencies are ['base', 'crypto'], "
                   "layers.txt says ['base']")

    def test_a_pure_object_is_pure(self):
        self.check({}, None, '#include <string.h>\nint other(char *);\n'
                   'int f(char *p) { memset(p, 0, 9); return other(p); }\n')

    def test_what_a_pure_object_must_not_need_is_found(self):
        for symbol, text in {
                'malloc': 'void *malloc(unsigned long); void *f(void) { return malloc(9); }',
                'clock_gettime': 'int clock_gettime(int, void *); int f(void *p) { return clock_gettime(1, p); }',
                'sendto': 'long sendto(); long f(void) { return sendto(1, 0, 0, 0, 0, 0); }',
                'log_line': 'void log_line(int, const char *); void f(void) { log_line(1, "x"); }',
                'memory_new': 'void *memory_new(long); void *f(void) { return memory_new(1); }',
                'random_system': 'extern const int random_system; const int *f(void) { return &random_system; }',
        }.items():
            with self.subTest(symbol):
                self.check({}, f'proto/noise: n.o needs {symbol}; proto/ is pure', text)

    def test_an_empty_build_folder_proves_nothing(self):
        with tempfile.TemporaryDirectory() as build:
            result = subprocess.run([TOOL, '--build', build], capture_output=True, text=True)
            self.assertIn('holds no library of proto/', result.stdout)
            self.assertEqual(result.returncode, 1)


if __name__ == '__main__':
    sys.exit(unittest.main())
