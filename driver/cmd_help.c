/* intaglio help [COMMAND | targets | passes]: as text, or as a manual page from the same tables. */
#include "driver/report.h"
#include "passes/pass.h"
#include "targets/target.h"

#include <ctype.h>
#include <string.h>

static void print_overview(FILE *f)
{
	int n;
	const struct ig_command *const *c = ig_commands(&n);
	fputs("Intaglio compiles quantized neural networks to object files.\n\nusage: intaglio COMMAND [OPTIONS] [ARGUMENTS]\n\n", f);
	for (int i = 0; i < n; i++)
		fprintf(f, "  %-15s %s\n", c[i]->name, c[i]->summary);
	fputs("\n'intaglio help COMMAND' tells more; 'intaglio help targets' and 'intaglio help passes' list those.\n"
	      "Exit status: 0 done, 1 errors were reported, 2 wrong usage, 3 the verdict of 'eval' is fail.\n", f);
}

static const char *option_head(char *buf, size_t size, const struct ig_opt_info *o)
{
	char letter[8] = "    ";
	if (o->letter)
		snprintf(letter, sizeof letter, "-%c, ", o->letter);
	snprintf(buf, size, "%s--%s%s%s", letter, o->name, o->arg ? " " : "", o->arg ? o->arg : "");
	return buf;
}

/* Text in lines of at most `width`, each after `indent` blanks but for the first. */
static void print_wrapped(FILE *f, const char *s, int indent, int width)
{
	int col = 0;
	while (*s) {
		int len = (int)strcspn(s, " ");
		if (col && col + 1 + len > width) {
			fprintf(f, "\n%*s", indent, "");
			col = 0;
		}
		fprintf(f, "%s%.*s", col ? " " : "", len, s);
		col += len + (col ? 1 : 0);
		s += len;
		while (*s == ' ')
			s++;
	}
	fputc('\n', f);
}

static void print_command(FILE *f, const struct ig_command *c)
{
	fprintf(f, "usage: intaglio %s %s [OPTIONS]\n\n", c->name, c->args);
	fputs(c->text, f);
	fputs("\noptions:\n", f);
	for (const struct ig_opt_use *u = c->opts;; u++) {
		char head[80];
		const struct ig_opt_info *o = &ig_opt_table[u->id];
		fprintf(f, "  %-30s ", option_head(head, sizeof head, o));
		print_wrapped(f, u->help ? u->help : o->help, 33, 86);
		if (u->id == IG_OPT_HELP)
			break;
	}
	if (c->examples)
		fprintf(f, "\nexamples:\n%s", c->examples);
}

/* ---- manual pages ---- */

static void roff(FILE *f, const char *s)
{
	bool start = true;
	for (; *s; s++) {
		if (start && (*s == '.' || *s == '\''))
			fputs("\\&", f);
		if (*s == '\\')
			fputs("\\e", f);
		else if (*s == '-')
			fputs("\\-", f);
		else
			fputc(*s, f);
		start = *s == '\n';
	}
}

static void print_man(FILE *f, const struct ig_command *c)
{
	fputs(".TH INTAGLIO\\-", f);
	for (const char *p = c->name; *p; p++)
		fputc(toupper((unsigned char)*p), f);
	fprintf(f, " 1 \"\" Intaglio \"Intaglio Manual\"\n.SH NAME\nintaglio\\-%s \\- %s\n.SH SYNOPSIS\n.B intaglio %s\n", c->name, c->summary, c->name);
	roff(f, c->args);
	fputs(" [OPTIONS]\n.SH DESCRIPTION\n", f);
	for (const char *p = c->text; *p;) { /* paragraphs are separated by an empty line */
		if (*p == '\n') {
			fputs(".PP\n", f);
			p++;
			continue;
		}
		size_t len = strcspn(p, "\n");
		char line[512];
		snprintf(line, sizeof line, "%.*s", (int)len, p);
		roff(f, line + strspn(line, " "));
		fputc('\n', f);
		p += len + (p[len] == '\n');
	}
	fputs(".SH OPTIONS\n", f);
	for (const struct ig_opt_use *u = c->opts;; u++) {
		char head[80];
		const struct ig_opt_info *o = &ig_opt_table[u->id];
		option_head(head, sizeof head, o);
		fputs(".TP\n.B ", f);
		roff(f, head + strspn(head, " "));
		fputc('\n', f);
		roff(f, u->help ? u->help : o->help);
		fputc('\n', f);
		if (u->id == IG_OPT_HELP)
			break;
	}
	if (c->examples) {
		fputs(".SH EXAMPLES\n.nf\n", f);
		roff(f, c->examples);
		fputs(".fi\n", f);
	}
	fputs(".SH EXIT STATUS\n0 done, 1 errors were reported, 2 wrong usage, 3 the verdict of\n.B eval\nis fail.\n.SH SEE ALSO\n", f);
	int n;
	const struct ig_command *const *all = ig_commands(&n);
	bool first = true;
	for (int i = 0; i < n; i++)
		if (all[i] != c) {
			fprintf(f, "%s.BR intaglio\\-%s (1)", first ? "" : ",\n", all[i]->name);
			first = false;
		}
	fputc('\n', f);
}

/* ---- lists ---- */

static void print_targets(FILE *f)
{
	int n;
	const struct ig_target *const *t = ig_targets(&n);
	const struct ig_target *native = ig_target_native();
	for (int i = 0; i < n; i++)
		fprintf(f, "  %-22s %s%s\n", t[i]->name, t[i]->help, t[i] == native ? " (native here)" : "");
}

static void print_passes(FILE *f)
{
	static const char *const title[] = {"float half (before calibration):", "quantize half (after calibration):"};
	for (int h = IG_HALF_FLOAT; h <= IG_HALF_QUANTIZE; h++) {
		int n;
		const struct ig_pass *p = ig_pipeline((enum ig_half)h, &n);
		fprintf(f, "%s\n", title[h]);
		for (int i = 0; i < n; i++)
			fprintf(f, "  %-18s %s\n", p[i].name, p[i].help);
	}
}

static int run(const struct ig_opts *o)
{
	const char *topic = o->args.n ? o->args.v[0] : NULL;
	const struct ig_command *c = topic ? ig_command_find(topic) : NULL;
	if (ig_opt_given(o, IG_OPT_HELP))
		c = &ig_cmd_help;
	if (!c && topic && strcmp(topic, "targets") == 0)
		print_targets(stdout);
	else if (!c && topic && strcmp(topic, "passes") == 0)
		print_passes(stdout);
	else if (!c && topic) {
		const char *near = ig_command_nearest(topic);
		return near ? ig_usage_error(NULL, "there is no command '%s'; did you mean '%s'?", topic, near)
		            : ig_usage_error(NULL, "there is no command '%s'", topic);
	} else if (c && ig_opt_given(o, IG_OPT_MAN))
		print_man(stdout, c);
	else if (c)
		print_command(stdout, c);
	else
		print_overview(stdout);
	struct ig_diag *d = ig_diag_new(stderr, false);
	bool ok = ig_stdout_check(d);
	ig_diag_free(d);
	return ok ? IG_EXIT_OK : IG_EXIT_DIAG;
}

static const struct ig_opt_use opts[] = {{IG_OPT_MAN, NULL}, {IG_OPT_HELP, NULL}};
const struct ig_command ig_cmd_help = {
	.name = "help",
	.args = "[COMMAND | targets | passes]",
	.summary = "what the commands, targets and passes are",
	.text = "Without an argument: the commands. With a command: its arguments and options.\n",
	.min_args = 0,
	.max_args = 1,
	.opts = opts,
	.run = run,
};
