/* secrets.h - what servers say is shown to people and kept in dead letters, and a server may say what it was sent. */
#ifndef COLLECTOR_DELIVERY_SECRETS_H
#define COLLECTOR_DELIVERY_SECRETS_H

#include "collector/sinks/sink.h"

enum { SECRETS_MIN = 4 }; /* shorter values would blot out ordinary words */

/* Writes *** over the values of the sink's secret options, and what stands in the queries of its URLs, also where the
 * end of the text has cut one off. */
void secrets_hide(const struct sink *s, char *text);

#endif
