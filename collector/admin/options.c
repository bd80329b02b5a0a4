#include "collector/admin/admin.h"

const struct opt admin_opts[] = {
    OPT_TEXT_(struct admin_settings, listen, "admin", "unix", 0,
              "Where metrics, status and live tail are served: unix (collector.sock beside the rings), unix:PATH, "
              "HOST:PORT or none."),
    OPT_BOOL_(struct admin_settings, allow_remote, "admin_allow_remote", "false", 0,
              "Let admin be an address that other machines reach; there is no authentication."),
    OPT_END,
};
