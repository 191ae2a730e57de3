/* Mergeable statistics of observed values: exact, commutative and associative (docs/numerics.md), so that any order or sharding of the samples gives
   the same bytes; and the methods that turn a distribution into a range. */
#ifndef IG_PASSES_STATS_H
#define IG_PASSES_STATS_H
#include "ir/graph.h"
#include "ir/qconfig.h"

#define IG_HIST_SPARE 16   /* counters behind the bins, where values without a bin go; they mean nothing */
#define IG_HIST_BINS 16384 /* at most this many bins in use; more than half of them when the range is not a point */

/* One value's distribution. Bin b counts the values in [b, b+1) * 2^exponent that are finite and not zero, b from first_bin; the grid is a function
   of (min, max) alone: the smallest exponent for which [min, max] fits (and 2^-40 of the largest magnitude at the finest); no bins when all is zero. */
struct ig_stat {
	const char *name;
	uint64_t count, zeros, nans, infs;
	float min, max; /* of the finite values; INFINITY, -INFINITY before the first */
	int exponent;
	int64_t first_bin;
	int n_bins;
	uint64_t *bin; /* room for IG_HIST_BINS + IG_HIST_SPARE */
	/* moving_average state (order-dependent; present only when a QConfig asks for it) */
	bool has_average;
	float avg_min, avg_max, averaging;
};
struct ig_stats {
	struct ig_arena *arena;
	uint64_t weights_hash;
	uint64_t samples;
	uint64_t samples_sum; /* order-free fingerprint of the samples seen */
	IG_VEC(struct ig_stat) stat; /* sorted by name when written */
};
struct ig_stats *ig_stats_new(uint64_t weights_hash);
void ig_stats_free(struct ig_stats *s);
struct ig_stat *ig_stats_get(struct ig_stats *s, const char *name);              /* adds it when new; valid until the next one is added */
const struct ig_stat *ig_stats_find(const struct ig_stats *s, const char *name); /* NULL */
void ig_stat_grid(float min, float max, int *exponent, int64_t *first, int *n);  /* the grid of a range */
void ig_stat_add(struct ig_stat *st, const float *x, int64_t n);                 /* one sample's values, in any order */
/* ig_stat_add in two steps: the values, whose range is returned (INFINITY, -INFINITY when none is finite), and its part in a moving average. */
void ig_stat_values(struct ig_stat *st, const float *x, int64_t n, float *lo, float *hi);
void ig_stat_average(struct ig_stat *st, float lo, float hi);
void ig_stat_grow(struct ig_stat *st, float lo, float hi);          /* widens the range to [lo, hi] as well */
void ig_stat_merge(struct ig_stat *to, const struct ig_stat *from); /* all but the moving average */
/* Adds b to a. A moving average refuses: error with the reason. Different weights refuse. */
bool ig_stats_merge(struct ig_stats *a, const struct ig_stats *b, struct ig_diag *d);
/* Versioned, checksummed, little-endian file; written through a temporary file. */
bool ig_stats_write(const struct ig_stats *s, const char *path, struct ig_diag *d);
struct ig_stats *ig_stats_read(const char *path, struct ig_diag *d);
bool ig_stats_is_state(const char *path); /* by its magic */

/* shift.c: the share of finite values outside [lo, hi], but for those that share a bin with a bound; and warnings that name the values whose
   distribution over evaluated samples (their number in `evaluated`) does not suit the calibrated range. */
double ig_stat_outside(const struct ig_stat *st, float lo, float hi);
void ig_warn_shift(const struct ig_stats *calibrated, const struct ig_stats *evaluated, struct ig_diag *d);

/* A range by the specification's observer; then scale and zero point by its scheme, as PyTorch's observers compute them. */
bool ig_range(const struct ig_stat *st, const struct ig_qspec *q, float *lo, float *hi); /* false: never observed */
void ig_qspec_params(const struct ig_qspec *q, float lo, float hi, float *scale, int32_t *zp);
void ig_affine_qparams(float lo, float hi, int32_t qmin, int32_t qmax, float *scale, int32_t *zp);
float ig_symmetric_scale(float lo, float hi, int32_t qmin, int32_t qmax);
#endif
