#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "registry.h"

#include <cmocka.h>

#define POOL  "100.100.96.1/24"
#define POOL6 "fd00:6::1/64"

static int start(void **state)
{
	static struct registry registry;

	registry_start(&registry, POOL, POOL6);
	*state = &registry;
	return 0;
}

static int end(void **state)
{
	registry_end(*state);
	return 0;
}

static enum store_result reopen(struct registry *registry, char problem[STORE_PROBLEM_SIZE])
{
	enum store_result result;

	store_close(registry->store);
	registry->store = NULL;
	result = store_open(registry->path, &registry->store, problem);
	if (result != STORE_OK) {
		assert_non_null(strstr(problem, registry->path));
		assert_null(strchr(problem, '\n'));
	}
	return result;
}

static void what_was_created_is_what_is_opened(void **state)
{
	struct registry *registry = *state;
	struct store_network made = registry_network(POOL, POOL6);
	const struct store_network *read = store_network(registry->store);

	assert_memory_equal(read->id, made.id, sizeof(made.id));
	assert_memory_equal(read->site_secret, made.site_secret, sizeof(made.site_secret));
	assert_true(read->incarnation == made.incarnation);
	assert_int_equal(read->created, made.created);
	assert_int_equal(read->pool_count, 2);
	assert_true(prefix_is_equal(&read->pools[0], &made.pools[0]));
	assert_true(prefix_is_equal(&read->pools[1], &made.pools[1]));
	assert_int_equal(store_revision(registry->store), 1);
	assert_int_equal(store_node_count(registry->store), 0);
}

static void a_registry_from_a_backup_begins_anew(void **state)
{
	struct registry *registry = *state;
	uint64_t before = store_network(registry->store)->incarnation;
	uint64_t revision = store_revision(registry->store);

	assert_int_equal(store_begin_anew(registry->store, before + 1, REGISTRY_EPOCH), STORE_OK);
	assert_true(store_network(registry->store)->incarnation == before + 1);
	registry_reopen(registry);
	assert_true(store_network(registry->store)->incarnation == before + 1);
	assert_true(store_revision(registry->store) > revision);
}

static void files_are_for_their_owner_only(void **state)
{
	static const char *const suffixes[] = {"", "-wal", "-shm"};
	struct registry *registry = *state;

	registry_add(registry, 1, NULL, NULL, REGISTRY_EPOCH, NULL);
	for (size_t i = 0; i < 3; i++) {
		char path[128];
		struct stat status;

		snprintf(path, sizeof(path), "%s%s", registry->path, suffixes[i]);
		assert_int_equal(stat(path, &status), 0);
		assert_int_equal(status.st_mode & 0777, 0600);
	}
	assert_int_equal(registry_files(registry), 3);
}

static void a_registry_is_never_replaced(void **state)
{
	struct registry *registry = *state;
	struct store_network network = registry_network("10.0.0.1/8", NULL);
	char problem[STORE_PROBLEM_SIZE];

	assert_int_equal(store_create(registry->path, &network, problem), STORE_FILE_EXISTS);
	assert_non_null(strstr(problem, registry->path));
	registry_reopen(registry);
	assert_int_equal(store_network(registry->store)->pool_count, 2);
	store_close(registry->store);
	registry->store = NULL;
	assert_int_equal(registry_files(registry), 1);
}

static void wrong_pools_make_no_registry(void **state)
{
	static const char *const cases[][2] = {{"10.0.0.0/24", NULL},
					       {"10.0.0.255/24", NULL},
					       {"10.0.0.1/24", "10.0.0.2/25"},
					       {"10.0.0.1/24", "10.1.1.1/8"},
					       {"fd00::1/64", "fd00::/64"}};
	struct registry registry;
	struct store_network network;
	char problem[STORE_PROBLEM_SIZE];

	registry_folder(&registry);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		network = registry_network(cases[i][0], cases[i][1]);
		assert_int_equal(store_create(registry.path, &network, problem), STORE_INVALID);
	}
	network.pool_count = 0;
	assert_int_equal(store_create(registry.path, &network, NULL), STORE_INVALID);
	assert_int_equal(registry_files(&registry), 0);
	registry_end(&registry);
}

static void a_missing_registry_says_how_to_make_one(void **state)
{
	struct registry registry;
	char problem[STORE_PROBLEM_SIZE];

	registry_folder(&registry);
	assert_int_equal(store_open(registry.path, &registry.store, problem), STORE_FILE_MISSING);
	assert_non_null(strstr(problem, "hub init"));
	assert_int_equal(registry_files(&registry), 0);
	registry_end(&registry);
}

static void a_registry_of_the_future_is_refused(void **state)
{
	struct registry *registry = *state;
	char problem[STORE_PROBLEM_SIZE];

	registry_sql(registry, "PRAGMA user_version = 2");
	assert_int_equal(reopen(registry, problem), STORE_FILE_FUTURE);
	assert_non_null(strstr(problem, "newer wayleave"));
}

static void somebody_elses_database_is_refused_and_left_alone(void **state)
{
	struct registry registry;
	char problem[STORE_PROBLEM_SIZE];

	registry_folder(&registry);
	registry_sql(&registry, "CREATE TABLE cats(name TEXT)");
	chmod(registry.path, 0600);
	assert_int_equal(reopen(&registry, problem), STORE_FILE_FOREIGN);
	registry_sql(&registry, "SELECT name FROM cats");
	registry_end(&registry);
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void a_file_that_is_no_database_is_refused(void **state)
{
	static const char *const texts[] = {"", "x", "[Interface]\nPrivateKey = none\n"};
	struct registry registry;
	char problem[STORE_PROBLEM_SIZE];

	registry_folder(&registry);
	for (size_t i = 0; i < 3; i++) {
		write_file(registry.path, texts[i]);
		assert_int_equal(reopen(&registry, problem), STORE_FILE_FOREIGN);
	}
	unlink(registry.path);
	mkdir(registry.path, 0700);
	assert_int_equal(reopen(&registry, problem), STORE_FILE_FOREIGN);
	rmdir(registry.path);
	registry_end(&registry);
}

static void a_registry_that_others_may_read_is_refused(void **state)
{
	struct registry *registry = *state;
	char problem[STORE_PROBLEM_SIZE];

	chmod(registry->path, 0640);
	assert_int_equal(reopen(registry, problem), STORE_FILE_EXPOSED);
	assert_non_null(strstr(problem, "chmod 600"));
	chmod(registry->path, 0600);
	assert_int_equal(reopen(registry, problem), STORE_OK);
}

static void a_registry_without_its_network_is_damaged(void **state)
{
	static const char *const faults[] = {
		"UPDATE network SET site_secret = x'00'", "DELETE FROM pool",
		"INSERT INTO pool VALUES(0, '10.0.0.0/24')", "UPDATE pool SET prefix = 'wide'",
		"DELETE FROM network"};
	struct registry *registry = *state;
	char problem[STORE_PROBLEM_SIZE];

	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		registry_sql(registry, faults[i]);
		assert_int_equal(reopen(registry, problem), STORE_FILE_DAMAGED);
	}
}

static void an_overwritten_page_is_reported_as_damage(void **state)
{
	struct registry *registry = *state;
	struct store_visitor visitor = {0};
	char problem[STORE_PROBLEM_SIZE], junk[4096];
	enum store_result result;
	int fd;

	for (unsigned i = 0; i < 20; i++)
		registry_add(registry, i, NULL, NULL, REGISTRY_EPOCH, NULL);
	store_close(registry->store);
	registry->store = NULL;
	fd = open(registry->path, O_RDWR);
	memset(junk, 0xa5, sizeof(junk));
	for (off_t page = 1; page < lseek(fd, 0, SEEK_END) / 4096; page++)
		assert_int_equal(pwrite(fd, junk, sizeof(junk), page * 4096), sizeof(junk));
	close(fd);
	result = store_open(registry->path, &registry->store, problem);
	if (result == STORE_OK) {
		result = store_load(registry->store, &visitor);
		snprintf(problem, sizeof(problem), "%s", store_problem(registry->store));
	}
	assert_int_equal(result, STORE_FILE_DAMAGED);
	assert_non_null(strstr(problem, registry->path));
}

static void a_path_with_a_terminal_code_is_escaped(void **state)
{
	char problem[STORE_PROBLEM_SIZE];
	struct store *store;

	assert_int_equal(store_open("/nowhere/\033[31m", &store, problem), STORE_FILE_MISSING);
	assert_non_null(strstr(problem, "/nowhere/\\x1b[31m"));
}

/* In a child whose files may not grow beyond the limit. Returns what store_create() said. */
static int create_within(const struct registry *registry, rlim_t limit)
{
	struct store_network network = registry_network(POOL, NULL);
	char problem[STORE_PROBLEM_SIZE] = "";
	pid_t child = fork();
	int status;

	if (!child) {
		signal(SIGXFSZ, SIG_IGN);
		setrlimit(RLIMIT_FSIZE, &(struct rlimit){limit, limit});
		_exit((int)store_create(registry->path, &network, problem));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void a_full_disk_leaves_no_part_of_a_registry(void **state)
{
	struct registry registry;

	registry_folder(&registry);
	for (rlim_t limit = 0; limit < 65536; limit += 4096) {
		int result = create_within(&registry, limit);

		assert_int_equal(result, STORE_DISK_FULL);
		assert_int_equal(registry_files(&registry), 0);
	}
	assert_int_equal(create_within(&registry, 1 << 20), STORE_OK);
	assert_int_equal(registry_files(&registry), 1);
	registry_end(&registry);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_was_created_is_what_is_opened, start, end),
		cmocka_unit_test_setup_teardown(a_registry_from_a_backup_begins_anew, start, end),
		cmocka_unit_test_setup_teardown(files_are_for_their_owner_only, start, end),
		cmocka_unit_test_setup_teardown(a_registry_is_never_replaced, start, end),
		cmocka_unit_test(wrong_pools_make_no_registry),
		cmocka_unit_test(a_missing_registry_says_how_to_make_one),
		cmocka_unit_test_setup_teardown(a_registry_of_the_future_is_refused, start, end),
		cmocka_unit_test(somebody_elses_database_is_refused_and_left_alone),
		cmocka_unit_test(a_file_that_is_no_database_is_refused),
		cmocka_unit_test_setup_teardown(a_registry_that_others_may_read_is_refused, start,
						end),
		cmocka_unit_test_setup_teardown(a_registry_without_its_network_is_damaged, start,
						end),
		cmocka_unit_test_setup_teardown(an_overwritten_page_is_reported_as_damage, start,
						end),
		cmocka_unit_test(a_path_with_a_terminal_code_is_escaped),
		cmocka_unit_test(a_full_disk_leaves_no_part_of_a_registry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
