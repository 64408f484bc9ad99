/* The control socket of a device alone: answers `wayleave status`, and nothing else. */
#pragma once

struct builtin;
struct control;
struct loop;

/* 0 or -errno, as ctl_listen(). */
int control_new(struct loop *loop, struct builtin *builtin, struct control **ret_control);
/* NULL is fine. */
void control_free(struct control *control);
