/* given_up.h - why a sink has given records up; the words are those of collector/ingest/losses.h. */
#ifndef COLLECTOR_DELIVERY_GIVEN_UP_H
#define COLLECTOR_DELIVERY_GIVEN_UP_H

#include "collector/delivery/ledger.h"
#include "collector/delivery/remote.h"
#include "collector/ingest/losses.h"

enum { LOSSES_OF_SINK = 5 };
void given_up_of(const struct remote_stats *s, struct loss_count ret[LOSSES_OF_SINK]);
void given_up_of_ledger(const struct ledger_sink *s, struct loss_count ret[LOSSES_OF_SINK]);
/* In all; dead letters, which can be sent again, are not among them. */
uint64_t given_up_sum(const struct remote_stats *s);
uint64_t given_up_sum_of_ledger(const struct ledger_sink *s);

#endif
