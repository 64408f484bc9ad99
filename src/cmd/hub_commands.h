/* The groups of subcommands below `wayleave hub`; each is given argv from its own name on. */
#pragma once

int hub_init(int argc, char **argv);
int hub_node(int argc, char **argv);
int hub_token(int argc, char **argv);
int hub_restore(int argc, char **argv);
int hub_log(int argc, char **argv);
int hub_counters(int argc, char **argv);
