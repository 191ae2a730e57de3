/* The parts of `intaglio report` that no other command has, as JSON. The session is prepared. */
#ifndef IG_DRIVER_ACCOUNT_H
#define IG_DRIVER_ACCOUNT_H
#include "driver/report.h"
#include "driver/session.h"

json_t *ig_account_values(const struct ig_session *s);  /* each calibrated value: histogram, range, clipped share */
json_t *ig_account_weights(const struct ig_session *s); /* each layer's quantized weights: range and scale of each channel */
/* What the models answer to zeros, extremes, NaN and infinities; NULL after a diagnostic. */
json_t *ig_account_edges(struct ig_session *s);
/* The deployment checklist: `root` has the other parts. Each item has a name, a state (pass, warn, fail, open) and a text. */
json_t *ig_account_checklist(const struct ig_session *s, const json_t *root, int warnings);
extern const unsigned char ig_account_html[]; /* account_page.html, terminated; made by the build */
/* The page that shows `root`. False: not written in full. */
bool ig_account_page(const json_t *root, FILE *out);
#endif
