/* QConfig and its mapping from layers (PyTorch's QConfigMapping): global < type < regex < order < name; among equals the later wins. */
#ifndef IG_IR_QCONFIG_H
#define IG_IR_QCONFIG_H
#include "ir/graph.h"

enum ig_observer { IG_OBS_MINMAX, IG_OBS_MOVING_AVERAGE, IG_OBS_HISTOGRAM, IG_OBS_MSE, IG_OBS_COUNT };
extern const char *const ig_observer_names[IG_OBS_COUNT];

struct ig_qconfig {
	bool skip; /* stay in float */
	struct {
		enum ig_observer observer;
		double averaging; /* moving_average: constant (0.01) */
		int bins;         /* histogram: 2048 */
		bool reduce_range;
	} act; /* u8 affine per tensor */
	struct {
		enum ig_observer observer; /* minmax or mse */
		bool per_channel;
		bool reduce_range;
		bool narrow; /* -127..127 instead of -128..127: the scale is amax / 127, and the largest weight does not saturate */
	} weight; /* s8 symmetric */
	bool bias_float32; /* fbgemm's float bias */
	bool requantize_fixed;
};
enum ig_rule_kind { IG_RULE_DEFAULT, IG_RULE_TYPE, IG_RULE_MATCH, IG_RULE_ORDER, IG_RULE_LAYER };
struct ig_rule {
	enum ig_rule_kind kind;
	const char *pattern; /* type's operation name, regular expression, or layer name */
	int order;           /* ORDER: the Nth (from 0) of the type */
	struct ig_qconfig config;
	const char *text; /* the configuration as written: static(...), skip, fbgemm */
	struct ig_loc loc;
};
struct ig_qconfig_map {
	struct ig_arena *arena;
	IG_VEC(struct ig_rule) rules;
};
/* Presets by name: default, fbgemm, x86, qnnpack. NULL: unknown. */
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
