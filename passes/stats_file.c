/* State files: little endian, every entry of the same size but for its name, so that a state's size does not depend on what was seen.
     header  magic[8] version:u32 entries:u32 weights_hash:u64 samples:u64 samples_sum:u64
     entry   name_len:u32 name count:u64 zeros:u64 nans:u64 infs:u64 min:f32 max:f32 exponent:i32 n_bins:u32 first_bin:i64
             has_average:u32 avg_min:f32 avg_max:f32 averaging:f32 bins[IG_HIST_BINS]:u64
     footer  checksum:u64 of all before */
#include "passes/stats.h"
#include "ir/outfile.h"
#include "ir/print.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAGIC "IGSTATE\n"
#define VERSION 1u
#define HEADER 40u
#define FIXED (4 * 8 + 4 * 4 + 8 + 4 * 4 + 8 * (size_t)IG_HIST_BINS) /* an entry's bytes after the name */
#define MAX_NAME 4096u

static uint8_t *put(uint8_t *p, uint64_t v, int bytes)
{
	for (int i = 0; i < bytes; i++)
		*p++ = (uint8_t)(v >> (8 * i));
	return p;
}

static uint8_t *put_f32(uint8_t *p, float f)
{
	uint32_t u;
	memcpy(&u, &f, 4);
	return put(p, u, 4);
}

static int by_name(const void *a, const void *b)
{
	const struct ig_stat *const *x = a, *const *y = b;
	return strcmp((*x)->name, (*y)->name);
}

static uint8_t *put_stat(uint8_t *p, const struct ig_stat *st)
{
	size_t len = strlen(st->name);
	p = put(p, len, 4);
	memcpy(p, st->name, len);
	p += len;
	p = put(p, st->count, 8);
	p = put(p, st->zeros, 8);
	p = put(p, st->nans, 8);
	p = put(p, st->infs, 8);
	p = put_f32(p, st->min);
	p = put_f32(p, st->max);
	p = put(p, (uint32_t)st->exponent, 4);
	p = put(p, (uint32_t)st->n_bins, 4);
	p = put(p, (uint64_t)st->first_bin, 8);
	p = put(p, st->has_average, 4);
	p = put_f32(p, st->has_average ? st->avg_min : 0);
	p = put_f32(p, st->has_average ? st->avg_max : 0);
	p = put_f32(p, st->has_average ? st->averaging : 0);
	for (int i = 0; i < IG_HIST_BINS; i++)
		p = put(p, i < st->n_bins ? st->bin[i] : 0, 8);
	return p;
}

bool ig_stats_write(const struct ig_stats *s, const char *path, struct ig_diag *d)
{
	const struct ig_stat **order = ig_xcalloc((size_t)s->stat.n + 1, sizeof *order);
	size_t bytes = HEADER + 8;
	for (int i = 0; i < s->stat.n; i++) {
		order[i] = &s->stat.v[i];
		bytes += 4 + strlen(s->stat.v[i].name) + FIXED;
	}
	qsort(order, (size_t)s->stat.n, sizeof *order, by_name);
	uint8_t *buf = ig_xcalloc(bytes, 1), *p = buf;
	memcpy(p, MAGIC, 8);
	p = put(p + 8, VERSION, 4);
	p = put(p, (uint64_t)s->stat.n, 4);
	p = put(p, s->weights_hash, 8);
	p = put(p, s->samples, 8);
	p = put(p, s->samples_sum, 8);
	for (int i = 0; i < s->stat.n; i++)
		p = put_stat(p, order[i]);
	put(p, ig_hash_bytes(buf, bytes - 8, 0), 8);
	bool ok = ig_outfile_write(path, buf, bytes, d);
	free(buf);
	free(order);
	return ok;
}

bool ig_stats_is_state(const char *path)
{
	FILE *f = fopen(path, "rb");
	if (!f)
		return false;
	char magic[8];
	bool is = fread(magic, 1, 8, f) == 8 && !memcmp(magic, MAGIC, 8);
	fclose(f);
	return is;
}

/* A reader that remembers when it ran over the end. */
struct cursor {
	const uint8_t *p, *end;
	bool bad;
};

static uint64_t get(struct cursor *c, int bytes)
{
	if (c->end - c->p < bytes) {
		c->bad = true;
		return 0;
	}
	uint64_t v = 0;
	for (int i = 0; i < bytes; i++)
		v |= (uint64_t)*c->p++ << (8 * i);
	return v;
}

static float get_f32(struct cursor *c)
{
	uint32_t u = (uint32_t)get(c, 4);
	float f;
	memcpy(&f, &u, 4);
	return f;
}

/* Reads one entry; NULL, or what is wrong with it. */
static const char *get_stat(struct cursor *c, struct ig_stats *s)
{
	uint64_t len = get(c, 4);
	if (c->bad || len == 0 || len > MAX_NAME || (uint64_t)(c->end - c->p) < len + FIXED)
		return "the file is shorter than its entries need";
	if (memchr(c->p, 0, len))
		return "a name contains a zero byte";
	char *name = ig_arena_strndup(s->arena, (const char *)c->p, len);
	c->p += len;
	if (ig_stats_find(s, name))
		return "two entries have the same name";
	struct ig_stat *st = ig_stats_get(s, name);
	st->count = get(c, 8);
	st->zeros = get(c, 8);
	st->nans = get(c, 8);
	st->infs = get(c, 8);
	st->min = get_f32(c);
	st->max = get_f32(c);
	int exponent = (int32_t)(uint32_t)get(c, 4);
	uint64_t n_bins = get(c, 4);
	int64_t first = (int64_t)get(c, 8);
	st->has_average = get(c, 4) != 0;
	st->avg_min = get_f32(c);
	st->avg_max = get_f32(c);
	st->averaging = get_f32(c);
	bool any = isfinite(st->min) && isfinite(st->max) && st->min <= st->max;
	if (!any && !(st->min == INFINITY && st->max == -INFINITY))
		return "a range is not a range";
	ig_stat_grid(st->min, st->max, &st->exponent, &st->first_bin, &st->n_bins);
	if (exponent != st->exponent || first != st->first_bin || n_bins != (uint64_t)st->n_bins)
		return "a histogram's grid does not belong to its range";
	uint64_t sum = 0, limit = UINT64_MAX / 4;
	for (int i = 0; i < IG_HIST_BINS; i++) {
		st->bin[i] = get(c, 8);
		if (st->bin[i] > limit || (i >= st->n_bins && st->bin[i]))
			return "a histogram's counts are impossible";
		sum = sum > limit ? sum : sum + st->bin[i];
	}
	if (sum > limit || st->zeros > limit || st->nans > limit || st->infs > limit || sum + st->zeros + st->nans + st->infs != st->count)
		return "a histogram's counts do not add up";
	if (st->has_average && !(isfinite(st->avg_min) && isfinite(st->avg_max) && st->averaging > 0 && st->averaging <= 1) &&
	    !(isnan(st->avg_min) && isnan(st->avg_max)))
		return "a moving average is not finite";
	return NULL;
}

static struct ig_stats *parse(const uint8_t *buf, size_t n, const char *path, struct ig_diag *d)
{
	struct ig_loc loc = ig_loc_file(d, path);
	if (n < HEADER + 8 || memcmp(buf, MAGIC, 8)) {
		ig_error(d, loc, "not a calibration state (written by `intaglio calibrate`)");
		return NULL;
	}
	struct cursor c = {buf + 8, buf + n - 8, false}, tail = {buf + n - 8, buf + n, false};
	uint64_t version = get(&c, 4);
	if (version != VERSION) {
		ig_error(d, loc, "calibration state of version %llu, this program reads version %u: calibrate again", (unsigned long long)version, VERSION);
		return NULL;
	}
	if (get(&tail, 8) != ig_hash_bytes(buf, n - 8, 0)) {
		ig_error(d, loc, "calibration state is damaged: its checksum does not match");
		return NULL;
	}
	uint64_t entries = get(&c, 4);
	struct ig_stats *s = ig_stats_new(get(&c, 8));
	s->samples = get(&c, 8);
	s->samples_sum = get(&c, 8);
	const char *wrong = NULL;
	for (uint64_t i = 0; i < entries && !wrong; i++)
		wrong = get_stat(&c, s);
	if (!wrong && c.p != c.end)
		wrong = "bytes follow the last entry";
	if (wrong) {
		ig_error(d, loc, "calibration state is damaged: %s", wrong);
		ig_stats_free(s);
		return NULL;
	}
	return s;
}

struct ig_stats *ig_stats_read(const char *path, struct ig_diag *d)
{
	struct ig_loc loc = ig_loc_file(d, path);
	FILE *f = fopen(path, "rb");
	struct stat sb;
	if (!f || fstat(fileno(f), &sb) != 0) {
		ig_error(d, loc, "cannot read: %s", strerror(errno));
		if (f)
			fclose(f);
		return NULL;
	}
	struct ig_stats *s = NULL;
	if (!S_ISREG(sb.st_mode) || sb.st_size < 0 || sb.st_size > (off_t)1 << 32) {
		ig_error(d, loc, "not a calibration state: %s", S_ISDIR(sb.st_mode) ? "it is a folder" : "not a regular file of a sensible size");
		fclose(f);
		return NULL;
	}
	size_t n = (size_t)sb.st_size;
	uint8_t *buf = ig_xcalloc(n + 1, 1);
	if (fread(buf, 1, n, f) != n)
		ig_error(d, loc, "cannot read the whole file");
	else
		s = parse(buf, n, path, d);
	free(buf);
	fclose(f);
	return s;
}
