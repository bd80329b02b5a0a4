#include "collector/net/aws_plan.h"
#include "collector/net/aws_profile.h"

#include "lib/base/cleanup.h"
#include "lib/base/str.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void role_done(struct aws_role *r)
{
    free(r->arn);
    free(r->session_name);
    free(r->external_id);
    free(r->duration);
}

void aws_plan_done(struct aws_plan *p)
{
    aws_credentials_done(&p->keys);
    free(p->process);
    free(p->token_file);
    for (unsigned i = 0; i < p->roles_count; i++)
        role_done(&p->role[i]);
    *p = (struct aws_plan){0};
}

/* EKS puts these into the environment of a pod. */
static int from_web_identity_variables(struct aws_plan *ret, struct err *e)
{
    const char *file = env_text("AWS_WEB_IDENTITY_TOKEN_FILE"), *arn = env_text("AWS_ROLE_ARN");
    const char *name = env_text("AWS_ROLE_SESSION_NAME");
    if (!file)
        return -ENOENT;
    if (!arn)
        return err_set(e, -EINVAL, "AWS_WEB_IDENTITY_TOKEN_FILE is set and AWS_ROLE_ARN is not: set the role to "
                                   "assume");
    ret->base = AWS_WEB_IDENTITY;
    ret->roles_count = 1;
    ret->token_file = strdup(file);
    ret->role[0] = (struct aws_role){.arn = strdup(arn), .session_name = name ? strdup(name) : NULL};
    return ret->token_file && ret->role[0].arn && (!name || ret->role[0].session_name) ? 0 : -ENOMEM;
}

/* ---- profiles ---- */

static int refuse_what_needs_somebody(const char *name, const struct aws_profile *p, struct err *e)
{
    if (p->mfa_serial)
        return err_set(e, -EOPNOTSUPP, "profile '%.60s' has mfa_serial, and nobody is here to type a code: give a "
                                       "profile whose role needs none", name);
    if (p->sso_session || p->sso_start_url)
        return err_set(e, -EOPNOTSUPP, "profile '%.60s' is one of single sign-on, which needs a browser: give a "
                                       "profile with credential_process = aws configure export-credentials --profile "
                                       "%.60s", name, name);
    return 0;
}

/* Puts the role of a profile in front of those that are assumed with its help. */
static int add_role(struct aws_plan *plan, struct aws_profile *p, struct err *e)
{
    if (plan->roles_count == AWS_ROLES_MAX)
        return err_set(e, -ELOOP, "source_profile: more than %d roles, one from the other", AWS_ROLES_MAX);
    memmove(plan->role + 1, plan->role, plan->roles_count * sizeof *plan->role);
    plan->role[0] = (struct aws_role){.arn = take_ptr(p->role_arn), .session_name = take_ptr(p->session_name),
                                      .external_id = take_ptr(p->external_id), .duration = take_ptr(p->duration)};
    plan->roles_count++;
    return 0;
}

static void take_keys(struct aws_plan *plan, struct aws_profile *p)
{
    plan->base = AWS_KEYS;
    plan->keys = (struct aws_credentials){.key_id = take_ptr(p->key_id), .secret = take_ptr(p->secret),
                                          .token = take_ptr(p->token)};
}

/* credential_source: where the role of a profile is assumed from when that is no profile. */
static int from_source(const char *name, const char *source, struct aws_plan *plan, struct err *e)
{
    static const struct { const char *word; enum aws_base base; } sources[] = {
        {"Environment", AWS_KEYS}, {"Ec2InstanceMetadata", AWS_INSTANCE}, {"EcsContainer", AWS_CONTAINER}};
    for (unsigned i = 0; i < sizeof sources / sizeof *sources; i++) {
        if (strcmp(sources[i].word, source) != 0)
            continue;
        plan->base = sources[i].base;
        const int r = plan->base == AWS_KEYS ? aws_from_environment(&plan->keys) : 0;
        return r == 0 ? 0 : err_set(e, -EINVAL, "profile '%.60s': credential_source is Environment, and "
                                                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set", name);
    }
    return err_set(e, -EINVAL, "profile '%.60s': credential_source '%.40s' is not one of Environment, "
                               "Ec2InstanceMetadata, EcsContainer", name, source);
}

/* One profile. 1: go on with *ret_next, which is on the heap. -ENOENT: it has nothing. */
static int from_profile(const char *name, bool is_source, struct aws_plan *plan, char **ret_next, struct err *e)
{
    struct aws_profile p __attribute__((cleanup(aws_profile_done)));
    int r = aws_profile_read(name, &p, e);
    if (r < 0)
        return r;
    /* A profile may assume its role with its own keys. */
    const bool is_own = p.source_profile && strcmp(p.source_profile, name) == 0;
    if (p.role_arn && !(is_source && is_own)) {
        const bool has_token = p.token_file != NULL;
        r = refuse_what_needs_somebody(name, &p, e);
        if (r == 0)
            r = add_role(plan, &p, e);
        if (r < 0)
            return r;
        if (has_token) {
            plan->base = AWS_WEB_IDENTITY;
            plan->token_file = take_ptr(p.token_file);
            return 0;
        }
        if (p.source_profile) {
            *ret_next = take_ptr(p.source_profile);
            return 1;
        }
        if (p.credential_source)
            return from_source(name, p.credential_source, plan, e);
        return err_set(e, -EINVAL, "profile '%.60s' has role_arn, and none of source_profile, credential_source and "
                                   "web_identity_token_file to assume it with", name);
    }
    if (p.key_id && p.secret) {
        take_keys(plan, &p);
        return 0;
    }
    if (p.process) {
        plan->base = AWS_PROCESS;
        plan->process = take_ptr(p.process);
        return 0;
    }
    return refuse_what_needs_somebody(name, &p, e) < 0 ? -EOPNOTSUPP : -ENOENT;
}

static int from_profiles(const char *first, struct aws_plan *plan, struct err *e)
{
    char *name = strdup(first), *next = NULL;
    int r = name ? from_profile(name, false, plan, &next, e) : -ENOMEM;
    while (r == 1) {
        free(name);
        name = take_ptr(next);
        r = from_profile(name, true, plan, &next, e);
        if (r == -ENOENT)
            r = err_set(e, -EINVAL, "source_profile '%.60s' has no credentials: give it keys or a credential_process",
                        name);
    }
    free(name);
    return r;
}

int aws_plan_make(const char *profile, struct aws_plan *ret, struct err *e)
{
    const bool is_named = profile && *profile;
    *ret = (struct aws_plan){0};
    int r = is_named ? -ENOENT : aws_from_environment(&ret->keys);
    if (r == -ENOENT && !is_named)
        r = from_web_identity_variables(ret, e);
    if (r == -ENOENT) {
        r = from_profiles(aws_profile_name(profile), ret, e);
        if (r == -ENOENT && is_named)
            r = err_set(e, -ENOENT, "profile '%.100s' has none: give it keys, a role_arn or a credential_process",
                        profile);
        else if (r == -ENOENT) {
            ret->base = AWS_ANY;
            r = 0;
        }
    }
    if (r < 0)
        aws_plan_done(ret);
    return r == -ENOMEM ? err_set(e, r, "out of memory") : r;
}
