#include "driver/report.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void ig_progress_start(struct ig_progress *p, const struct ig_opts *o, const char *what, int64_t total)
{
	memset(p, 0, sizeof *p);
	const char *term = getenv("TERM");
	p->on = !ig_opt_given(o, IG_OPT_QUIET) && !ig_opt_given(o, IG_OPT_JSON) && isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
	p->what = what;
	p->total = total;
	p->start = p->on ? now() : 0;
	p->shown = p->start;
}

void ig_progress_step(struct ig_progress *p, int64_t done)
{
	enum { WIDTH = 30 };
	p->done = done;
	if (!p->on || p->total <= 0)
		return;
	double t = now(), elapsed = t - p->start;
	if (t - p->shown < 0.1) /* ten times a second is enough; nothing is drawn for what is over at once */
		return;
	p->shown = t;
	double share = (double)done / (double)p->total;
	int64_t left = share > 0 ? (int64_t)(elapsed / share - elapsed + 0.5) : 0;
	char bar[WIDTH + 1];
	for (int i = 0; i < WIDTH; i++)
		bar[i] = (double)i < share * WIDTH ? '#' : '.';
	bar[WIDTH] = 0;
	fprintf(stderr, "\r\033[K%s [%s] %lld/%lld, %lld:%02lld left", p->what, bar, (long long)done, (long long)p->total, (long long)(left / 60),
	        (long long)(left % 60));
	fflush(stderr);
}

void ig_progress_end(struct ig_progress *p)
{
	if (p->on && p->shown > p->start) {
		fputs("\r\033[K", stderr);
		fflush(stderr);
	}
	p->on = false;
}
