/* SPDX-License-Identifier: Apache-2.0 */
/* The page of perf_write_html(), made by scripts/embed.py from src/perf/html/ at build time. */
#ifndef WEFT_PERF_REPORT_HTML_H
#define WEFT_PERF_REPORT_HTML_H

#define PERF_HTML_HOLE "@REPORT@" /* where the JSON goes; once in the page */

extern const unsigned char perf_html_page[]; /* with a NUL at its end */

#endif /* WEFT_PERF_REPORT_HTML_H */
