#!/usr/bin/env python3
"""tools/count-results adds up what the reports say, and a failure is never lost."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

TOOL = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'count-results')
GREEN = '[==========] tests: 5 test(s) run.\n[  PASSED  ] 5 test(s).\n'
RED = '[==========] tests: 5 test(s) run.\n[  PASSED  ] 3 test(s).\n[  FAILED  ] tests: 2 test(s), listed below:\n'


def entry(result, text=''):
    return json.dumps({'name': 'x', 'result': result, 'stdout': text}) + '\n'


class CountResults(unittest.TestCase):
    def count(self, files):
        with tempfile.TemporaryDirectory() as folder:
            for name, text in files.items():
                with open(os.path.join(folder, name), 'w', encoding='utf-8') as file:
                    file.write(text)
            result = subprocess.run([TOOL, folder], capture_output=True, text=True)
        self.assertEqual(result.stderr, '')
        return result.stdout.splitlines()[-1], result.returncode

    def test_cmocka_programs_count_by_their_tests(self):
        self.assertEqual(self.count({'a.meson.json': entry('OK', GREEN) + entry('OK')}),
                         ('6 passed, 0 failed', 0))

    def test_failed_tests_are_told_from_passed_ones(self):
        self.assertEqual(self.count({'a.meson.json': entry('FAIL', RED)}), ('3 passed, 2 failed', 1))

    def test_a_crash_and_a_timeout_are_failures(self):
        self.assertEqual(self.count({'a.meson.json': entry('FAIL') + entry('TIMEOUT', GREEN)}),
                         ('5 passed, 2 failed', 1))

    def test_pytest_reports_count_by_case(self):
        text = ('<testsuites><testsuite><testcase name="a"/><testcase name="b"><failure/></testcase>'
                '<testcase name="c"><skipped message="no"/></testcase>'
                '<testcase name="d"><error/></testcase></testsuite></testsuites>')
        self.assertEqual(self.count({'a.pytest.xml': text}), ('1 passed, 2 failed', 1))

    def test_steps_count_one_each(self):
        self.assertEqual(self.count({'a.step': 'pass\n', 'b.step': 'fail\n', 'c.step': ''}),
                         ('1 passed, 2 failed', 1))

    def test_a_failed_command_with_green_reports_is_a_failure(self):
        self.assertEqual(self.count({'a.meson.json': entry('OK', GREEN), 'a.status': 'fail\n'}),
                         ('5 passed, 1 failed', 1))
        self.assertEqual(self.count({'a.meson.json': entry('FAIL', RED), 'a.status': 'fail\n'}),
                         ('3 passed, 2 failed', 1))
        self.assertEqual(self.count({'a.status': 'fail\n'}), ('0 passed, 1 failed', 1))

    def test_nothing_at_all_is_no_success(self):
        self.assertEqual(self.count({}), ('0 passed, 0 failed', 1))


if __name__ == '__main__':
    sys.exit(unittest.main())
