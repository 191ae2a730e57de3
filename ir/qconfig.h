/* QConfig and its mapping from layers (PyTorch's QConfigMapping): global < type < regex < order < name; among equals the later wins. */
#ifndef IG_IR_QCONFIG_H
#define IG_IR_QCONFIG_H
#include "ir/graph.h"

enum ig_observer { IG_OBS_MINMAX, IG_OBS_MOVING_AVERAGE, IG_OBS_HISTOGRAM, IG_OBS_MSE, IG_OBS_PERCENTILE, IG_OBS_ENTROPY, IG_OBS_FIXED, IG_OBS_COUNT };
extern const char *const ig_observer_names[IG_OBS_COUNT];

/* How scale and zero point follow from a range: PyTorch's affine and symmetric schemes; power of two: symmetric with the scale raised to a power of two. */
enum ig_scheme { IG_SCHEME_AFFINE, IG_SCHEME_SYMMETRIC, IG_SCHEME_POWER_OF_TWO, IG_SCHEME_COUNT };
extern const char *const ig_scheme_names[IG_SCHEME_COUNT];

/* How one tensor is quantized. */
struct ig_qspec {
	enum ig_dtype dtype; /* U8, S8, S16; of weights S8, S4 */
	enum ig_observer observer;
	enum ig_scheme scheme;
	bool per_channel;
	int group;           /* weights: this many along the input channels share a scale; 0: whole channels */
	bool reduce_range;   /* PyTorch's: half of the values */
	bool narrow;         /* weights: -127..127 instead of -128..127: the scale is amax / 127, and the largest weight does not saturate */
	bool limited;        /* quant_min and quant_max are given */
	int32_t quant_min, quant_max;
	double averaging;    /* moving_average: constant */
	double percentile;   /* percentile: this share of the values (in percent) lies in the range */
	int bins;            /* histogram */
	double scale;        /* fixed */
	int32_t zero_point;
};
/* The values that may occur: those of the type, or the given ones; halved by reduce_range, as PyTorch's observers do. */
void ig_qspec_limits(const struct ig_qspec *q, int32_t *qmin, int32_t *qmax);

/* What is computed how. */
enum ig_mode {
	IG_MODE_STATIC,      /* integers with parameters from calibration */
	IG_MODE_DYNAMIC,     /* integers, the activations' parameters found at run time */
	IG_MODE_WEIGHT_ONLY, /* float32 with weights kept as integers */
	IG_MODE_FLOAT16,     /* weights and results kept as float16, computed in float32 */
	IG_MODE_BFLOAT16,
	IG_MODE_COUNT
};
extern const char *const ig_mode_names[IG_MODE_COUNT];

struct ig_qconfig {
	bool skip; /* stay in float */
	enum ig_mode mode;
	struct ig_qspec act, weight;
	bool bias_float32; /* fbgemm's float bias */
	bool requantize_fixed;
	bool fixed_ranges; /* PyTorch's mappings: results of sigmoid, hard_sigmoid and softmax have scale 1/256, those of tanh 2/256 around 128 */
};
enum ig_rule_kind { IG_RULE_DEFAULT, IG_RULE_TYPE, IG_RULE_MATCH, IG_RULE_ORDER, IG_RULE_LAYER };
struct ig_rule {
	enum ig_rule_kind kind;
	const char *pattern; /* type's operation name, regular expression, or layer name */
	int order;           /* ORDER: the Nth (from 0) of the type */
	struct ig_qconfig config;
	const char *text; /* the configuration as written: static(...), skip, fbgemm */
	struct ig_loc loc;
	bool made; /* by an importer, not written by anybody: it may match nothing */
};
/* Methods that win back accuracy, of the whole graph. */
enum ig_recover { IG_RECOVER_EQUALIZE, IG_RECOVER_RANGES, IG_RECOVER_BIAS, IG_RECOVER_EMPIRICAL_BIAS, IG_RECOVER_GPTQ, IG_RECOVER_ADAROUND, IG_RECOVER_AWQ, IG_RECOVER_SMOOTHQUANT, IG_RECOVER_COUNT };
extern const char *const ig_recover_names[IG_RECOVER_COUNT];
extern const bool ig_recover_needs_samples[IG_RECOVER_COUNT];
extern const bool ig_recover_scales[IG_RECOVER_COUNT]; /* changes float weights: statistics belong to those it leaves */
struct ig_qconfig_map {
	struct ig_arena *arena;
	IG_VEC(struct ig_rule) rules;
	bool recover[IG_RECOVER_COUNT];
	struct ig_loc recover_loc[IG_RECOVER_COUNT];
};
/* Presets by name; NULL: unknown. */
const struct ig_qconfig *ig_qconfig_preset(const char *name);
const char *const *ig_qconfig_preset_names(int *n);
struct ig_qconfig_map *ig_qconfig_map_new(void);
void ig_qconfig_map_free(struct ig_qconfig_map *m);

/* Which rule decides for a layer of the given name, type and position among its type; `beaten` (room for all rules) receives those it beat, strongest first. */
struct ig_rule_match {
	int rule; /* -1: no rule; the default preset holds */
	int n_beaten;
	int *beaten;
};
#endif
