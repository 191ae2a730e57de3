/* Options of the command line: one table (opts.def) shared by the subcommands, each of which lists those it takes. */
#ifndef IG_DRIVER_OPTS_H
#define IG_DRIVER_OPTS_H
#include "ir/base.h"

struct ig_diag;

enum ig_status { /* exit status */
	IG_EXIT_OK = 0,
	IG_EXIT_DIAG = 1,   /* a diagnostic was printed */
	IG_EXIT_USAGE = 2,  /* wrong usage */
	IG_EXIT_VERDICT = 3 /* eval: the verdict is fail; tune: no mix meets the budget */
};
enum ig_opt {
#define OPT(e, ...) IG_OPT_##e,
#include "driver/opts.def"
#undef OPT
	IG_OPT_COUNT
};
enum ig_opt_kind { IG_OPT_FLAG, IG_OPT_STR, IG_OPT_LIST, IG_OPT_INT, IG_OPT_BYTES, IG_OPT_SLICE, IG_OPT_INDEX, IG_OPT_SHARE };
extern const struct ig_opt_info {
	const char *name; /* without the dashes */
	char letter;
	enum ig_opt_kind kind;
	const char *arg, *help;
} ig_opt_table[IG_OPT_COUNT];

struct ig_opts;
/* A subcommand. */
struct ig_command {
	const char *name;
	const char *args;    /* MODEL DATA...: for the usage line */
	const char *summary; /* one line */
	const char *text;    /* paragraphs of `help NAME` */
	const char *examples; /* NULL or lines */
	int min_args, max_args; /* -1: any number */
	const struct ig_opt_use {
		enum ig_opt id;
		const char *help; /* NULL: the general text */
	} *opts; /* ends with IG_OPT_HELP */
	int (*run)(const struct ig_opts *o);
};
extern const struct ig_command ig_cmd_compile, ig_cmd_import, ig_cmd_calibrate, ig_cmd_inspect, ig_cmd_export, ig_cmd_eval, ig_cmd_compare, ig_cmd_run, ig_cmd_bench, ig_cmd_quantize_tensor, ig_cmd_report, ig_cmd_tune, ig_cmd_help;
const struct ig_command *const *ig_commands(int *n); /* main.c: in the order of `help` */
const struct ig_command *ig_command_find(const char *name);
const char *ig_command_nearest(const char *name); /* NULL */

/* What was said on the command line, checked by kind. */
struct ig_opts {
	const struct ig_command *cmd;
	IG_VEC(const char *) value[IG_OPT_COUNT]; /* FLAG: one entry when given */
	IG_VEC(const char *) args;
	struct ig_diag *diag; /* of the command that runs this one, which reports there; NULL: standard error */
	int64_t number[IG_OPT_COUNT]; /* INT, BYTES, INDEX; SLICE: first */
	int64_t last[IG_OPT_COUNT];   /* SLICE: one past the last */
	double share[IG_OPT_COUNT];   /* SHARE */
};
/* Parses argv (after the subcommand's name). On wrong usage prints what is wrong to standard error and returns false. */
bool ig_opts_parse(struct ig_opts *o, const struct ig_command *cmd, int argc, char *const *argv);
void ig_opts_free(struct ig_opts *o);
static inline bool ig_opt_given(const struct ig_opts *o, enum ig_opt id) { return o->value[id].n > 0; }
static inline const char *ig_opt_str(const struct ig_opts *o, enum ig_opt id) { return o->value[id].n ? o->value[id].v[0] : NULL; }
/* Prints `intaglio CMD: error: ...` and where to look; returns IG_EXIT_USAGE. */
int ig_usage_error(const struct ig_command *cmd, const char *fmt, ...) IG_PRINTF(2, 3);
/* Calls fn for each comma-separated word of a LIST option; stops when it returns false. */
bool ig_opt_words(const struct ig_opts *o, enum ig_opt id, bool (*fn)(void *self, const char *word), void *self);

bool ig_parse_count(const char *s, int64_t *out); /* decimal digits only, below 2^62 */
bool ig_parse_bytes(const char *s, int64_t *out); /* with K, M, G of 1024 */
bool ig_parse_share(const char *s, double *out);  /* 0.01 or 1%, in 0..1 */
#endif
