/* header_secrets.h - a server may send back what it was sent, and what it says is shown to people. */
#ifndef COLLECTOR_NET_HEADER_SECRETS_H
#define COLLECTOR_NET_HEADER_SECRETS_H

#include <stdbool.h>

/* Of "Name: value": whether its value is nothing to be shown, by its name. */
bool header_is_secret(const char *header);
/* Writes *** over the values of those that are, also where the end of the text has cut one off. */
void header_secrets_hide(const char *const *headers, unsigned count, char *text);

#endif
