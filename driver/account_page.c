/* The report as a page: the template (account_page.html, which the build makes a string of) with the data in the place that it marks. */
#include <stdlib.h>
#include <string.h>

#include "driver/account.h"

bool ig_account_page(const json_t *root, FILE *out)
{
	static const char mark[] = "@DATA@";
	const char *page = (const char *)ig_account_html, *at = strstr(page, mark);
	char *data = json_dumps(root, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(12));
	if (!at || !data)
		IG_BUG("no place for the data in the page, or no data");
	fwrite(page, 1, (size_t)(at - page), out);
	for (const char *p = data; *p; p++) /* only strings can hold these; the page's markup ends nowhere inside the data */
		if (*p == '<' || *p == '>' || *p == '&')
			fprintf(out, "\\u%04x", (unsigned)*p);
		else
			fputc(*p, out);
	free(data);
	fputs(at + strlen(mark), out);
	return !ferror(out);
}
