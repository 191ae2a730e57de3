#include "driver/guard.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ir/base.h"

static void remove_all(const char *prefix)
{
	const char *slash = strrchr(prefix, '/'), *name = slash ? slash + 1 : prefix;
	size_t len = strlen(name), folder_len = (size_t)(name - prefix);
	char *folder = ig_xcalloc(folder_len + 2, 1);
	memcpy(folder, folder_len ? prefix : ".", folder_len ? folder_len : 1);
	DIR *d = opendir(folder);
	for (const struct dirent *e; d && (e = readdir(d)) != NULL;)
		if (strncmp(e->d_name, name, len) == 0)
			unlinkat(dirfd(d), e->d_name, 0);
	if (d)
		closedir(d);
	free(folder);
}

static void *wait_for_signals(void *p)
{
	struct ig_guard *g = p;
	int number;
	if (sigwait(&g->signals, &number) != 0)
		return NULL;
	sigset_t one;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &(int){0});
	remove_all(g->prefix);
	signal(number, SIG_DFL);
	sigemptyset(&one);
	sigaddset(&one, number);
	pthread_sigmask(SIG_UNBLOCK, &one, NULL);
	kill(getpid(), number);
	return NULL;
}

void ig_guard_begin(struct ig_guard *g, const char *prefix)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
	*g = (struct ig_guard){.prefix = prefix};
	sigemptyset(&g->signals);
	for (size_t i = 0; i < IG_COUNTOF(numbers); i++) {
		struct sigaction a;
		if (sigaction(numbers[i], NULL, &a) == 0 && a.sa_handler != SIG_IGN) /* nohup's */
			sigaddset(&g->signals, numbers[i]);
	}
	pthread_sigmask(SIG_BLOCK, &g->signals, &g->before);
	g->on = g->waiting = pthread_create(&g->thread, NULL, wait_for_signals, g) == 0;
	if (!g->on)
		pthread_sigmask(SIG_SETMASK, &g->before, NULL);
}

void ig_guard_hold(struct ig_guard *g)
{
	if (!g->waiting)
		return;
	pthread_cancel(g->thread); /* it waits, or ends the program */
	pthread_join(g->thread, NULL);
	g->waiting = false;
}

void ig_guard_end(struct ig_guard *g)
{
	ig_guard_hold(g);
	if (g->on)
		pthread_sigmask(SIG_SETMASK, &g->before, NULL);
	g->on = false;
}
