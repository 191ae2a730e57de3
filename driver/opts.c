#include "driver/opts.h"

#include <stdlib.h>
#include <string.h>

const struct ig_opt_info ig_opt_table[IG_OPT_COUNT] = {
#define OPT(e, name, letter, kind, arg, help) [IG_OPT_##e] = {name, letter, IG_OPT_##kind, arg, help},
#include "driver/opts.def"
#undef OPT
};

int ig_usage_error(const struct ig_command *cmd, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	fprintf(stderr, "intaglio%s%s: error: ", cmd ? " " : "", cmd ? cmd->name : "");
	vfprintf(stderr, fmt, ap);
	fprintf(stderr, "\nTry 'intaglio help%s%s'.\n", cmd ? " " : "", cmd ? cmd->name : "");
	va_end(ap);
	return IG_EXIT_USAGE;
}

/* ---- values ---- */

bool ig_parse_count(const char *s, int64_t *out)
{
	int64_t v = 0;
	if (!*s)
		return false;
	for (; *s; s++) {
		if (*s < '0' || *s > '9' || v > (INT64_MAX >> 1) / 10 - 1)
			return false;
		v = v * 10 + (*s - '0');
	}
	*out = v;
	return true;
}

bool ig_parse_bytes(const char *s, int64_t *out)
{
	char digits[32];
	size_t n = strspn(s, "0123456789");
	int64_t v, unit = 1;
	if (n == 0 || n >= sizeof digits)
		return false;
	memcpy(digits, s, n);
	digits[n] = 0;
	if (s[n] && s[n + 1])
		return false;
	switch (s[n]) {
	case 0: break;
	case 'k': case 'K': unit = 1 << 10; break;
	case 'm': case 'M': unit = 1 << 20; break;
	case 'g': case 'G': unit = 1 << 30; break;
	default: return false;
	}
	return ig_parse_count(digits, &v) && ig_mul_i64(v, unit, out);
}

bool ig_parse_share(const char *s, double *out)
{
	char *end;
	if (!strchr("0123456789.", *s) || !*s)
		return false;
	double v = strtod(s, &end);
	if (*end == '%') {
		v /= 100;
		end++;
	}
	if (*end || !(v >= 0 && v <= 1))
		return false;
	*out = v;
	return true;
}

/* A:B, A: (to the end) or :B (from the start). */
static bool parse_slice(const char *s, int64_t *first, int64_t *last)
{
	char text[48];
	const char *colon = strchr(s, ':');
	if (!colon || (size_t)(colon - s) >= sizeof text)
		return false;
	memcpy(text, s, (size_t)(colon - s));
	text[colon - s] = 0;
	*first = 0;
	*last = INT64_MAX;
	if (*text && !ig_parse_count(text, first))
		return false;
	if (colon[1] && !ig_parse_count(colon + 1, last))
		return false;
	return *first < *last;
}

static bool take_value(struct ig_opts *o, enum ig_opt id, const char *v)
{
	const struct ig_opt_info *info = &ig_opt_table[id];
	const char *want = NULL;
	if (o->value[id].n && info->kind != IG_OPT_LIST && info->kind != IG_OPT_FLAG) {
		ig_usage_error(o->cmd, "option '--%s' is given twice", info->name);
		return false;
	}
	switch (info->kind) {
	case IG_OPT_FLAG: break;
	case IG_OPT_STR:
	case IG_OPT_LIST:
		if (!*v)
			want = "a value that is not empty";
		break;
	case IG_OPT_INT:
		if (!ig_parse_count(v, &o->number[id]) || o->number[id] < 1)
			want = "a whole number from 1";
		break;
	case IG_OPT_INDEX:
		if (!ig_parse_count(v, &o->number[id]))
			want = "a whole number from 0";
		break;
	case IG_OPT_BYTES:
		if (!ig_parse_bytes(v, &o->number[id]))
			want = "a number of bytes such as 4096, 64K or 2M";
		break;
	case IG_OPT_SLICE:
		if (!parse_slice(v, &o->number[id], &o->last[id]))
			want = "a slice A:B with A < B, such as 0:100";
		break;
	case IG_OPT_SHARE:
		if (!ig_parse_share(v, &o->share[id]))
			want = "a share such as 0.01 or 1%";
		break;
	}
	if (want) {
		ig_usage_error(o->cmd, "option '--%s' needs %s, not '%s'", info->name, want, v);
		return false;
	}
	ig_vec_push(&o->value[id], v);
	return true;
}

/* ---- words of the line ---- */

static bool find_long(const struct ig_command *cmd, const char *name, size_t len, enum ig_opt *id)
{
	for (const struct ig_opt_use *u = cmd->opts;; u++) {
		const char *have = ig_opt_table[u->id].name;
		if (strlen(have) == len && memcmp(have, name, len) == 0) {
			*id = u->id;
			return true;
		}
		if (u->id == IG_OPT_HELP)
			return false;
	}
}

static bool find_letter(const struct ig_command *cmd, char c, enum ig_opt *id)
{
	for (const struct ig_opt_use *u = cmd->opts;; u++) {
		if (ig_opt_table[u->id].letter == c) {
			*id = u->id;
			return true;
		}
		if (u->id == IG_OPT_HELP)
			return false;
	}
}

static bool unknown_long(const struct ig_command *cmd, const char *name, size_t len)
{
	const char *names[IG_OPT_COUNT];
	char text[64];
	int n = 0;
	for (const struct ig_opt_use *u = cmd->opts;; u++) {
		names[n++] = ig_opt_table[u->id].name;
		if (u->id == IG_OPT_HELP)
			break;
	}
	snprintf(text, sizeof text, "%.*s", (int)(len > 60 ? 60 : len), name);
	const char *near = ig_nearest(text, names, n);
	if (near) {
		ig_usage_error(cmd, "unknown option '--%s'; did you mean '--%s'?", text, near);
		return false;
	}
	for (int i = 0; i < IG_OPT_COUNT; i++)
		if (strcmp(ig_opt_table[i].name, text) == 0) {
			ig_usage_error(cmd, "'%s' takes no option '--%s'", cmd->name, text);
			return false;
		}
	ig_usage_error(cmd, "unknown option '--%s'", text);
	return false;
}

/* The option at argv[*i]; takes its value from the same word or the next. */
static bool take_option(struct ig_opts *o, int argc, char *const *argv, int *i)
{
	const char *word = argv[*i], *value = NULL;
	enum ig_opt id;
	if (word[1] == '-') {
		size_t len = strcspn(word + 2, "=");
		if (!find_long(o->cmd, word + 2, len, &id))
			return unknown_long(o->cmd, word + 2, len);
		if (word[2 + len] == '=')
			value = word + 3 + len;
		if (value && ig_opt_table[id].kind == IG_OPT_FLAG) {
			ig_usage_error(o->cmd, "option '--%s' takes no value", ig_opt_table[id].name);
			return false;
		}
	} else {
		if (!find_letter(o->cmd, word[1], &id)) {
			ig_usage_error(o->cmd, "unknown option '-%c'", word[1]);
			return false;
		}
		if (word[2])
			value = word + 2;
		if (value && ig_opt_table[id].kind == IG_OPT_FLAG) {
			ig_usage_error(o->cmd, "option '-%c' takes no value", word[1]);
			return false;
		}
	}
	if (ig_opt_table[id].kind == IG_OPT_FLAG)
		return take_value(o, id, "");
	if (!value) {
		if (*i + 1 >= argc) {
			ig_usage_error(o->cmd, "option '--%s' needs a value (%s)", ig_opt_table[id].name, ig_opt_table[id].arg);
			return false;
		}
		value = argv[++*i];
	}
	return take_value(o, id, value);
}

bool ig_opts_parse(struct ig_opts *o, const struct ig_command *cmd, int argc, char *const *argv)
{
	bool only_args = false;
	memset(o, 0, sizeof *o);
	o->cmd = cmd;
	for (int i = 0; i < argc; i++) {
		if (!only_args && strcmp(argv[i], "--") == 0)
			only_args = true;
		else if (!only_args && argv[i][0] == '-' && argv[i][1]) {
			if (!take_option(o, argc, argv, &i))
				return false;
		} else
			ig_vec_push(&o->args, argv[i]);
	}
	if (ig_opt_given(o, IG_OPT_HELP))
		return true;
	if (o->args.n < cmd->min_args) {
		ig_usage_error(cmd, "%s is missing (usage: intaglio %s %s)", cmd->min_args == 1 ? "an argument" : "one of the arguments", cmd->name, cmd->args);
		return false;
	}
	if (cmd->max_args >= 0 && o->args.n > cmd->max_args) {
		ig_usage_error(cmd, "'%s' is one argument too many (usage: intaglio %s %s)", o->args.v[cmd->max_args], cmd->name, cmd->args);
		return false;
	}
	return true;
}

void ig_opts_free(struct ig_opts *o)
{
	for (int i = 0; i < IG_OPT_COUNT; i++)
		ig_vec_free(&o->value[i]);
	ig_vec_free(&o->args);
}

bool ig_opt_words(const struct ig_opts *o, enum ig_opt id, bool (*fn)(void *self, const char *word), void *self)
{
	for (int i = 0; i < o->value[id].n; i++) {
		char *text = ig_xcalloc(strlen(o->value[id].v[i]) + 1, 1), *rest = text, *word;
		strcpy(text, o->value[id].v[i]);
		bool ok = true;
		while (ok && (word = strsep(&rest, ",")) != NULL)
			ok = fn(self, word);
		free(text);
		if (!ok)
			return false;
	}
	return true;
}
