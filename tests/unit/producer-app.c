/* The first program of the documentation, compiled as C and as C++. */
#include <fapilog/fapilog.h>

int main(void)
{
    fapilog_t *log = fapilog_open("orders", NULL);      /* service name; NULL = options from the environment */
    FAPILOG_INFO(log, "order accepted", FL("order_id", 42), FL("price", 9.5), FL("symbol", "ACME"));
    fapilog_close(log);
}
