"""The curated set of rules: tokens of services that a reviewer's logs may come to hold, each with its source.

A rule is added with its source, a token in `tests/support/leaks.py` that it finds, and nothing found in clean logs.
"""

from __future__ import annotations

import re

from prreview_cli.secrecy.shapes import Rule

_KEY_KINDS = (b"", b"RSA ", b"EC ", b"DSA ", b"OPENSSH ", b"ENCRYPTED ")
_GAP = rb"(?:[ \t\r\n|>]|\\+[rn])"
_END = rb"(?![A-Za-z0-9])"


def _rule(name: str, marks: str, pattern: bytes, *, lead: int = 0, bits: float = 0.0) -> Rule:
    return Rule(name, tuple(map(str.encode, marks.split())), re.compile(pattern), lead, bits)


RULES = (
    # https://docs.anthropic.com/en/api/admin-api/apikeys/get-api-key: partial_key_hint "sk-ant-api03-R2D...igAA"
    _rule("anthropic-key", "sk-ant-", rb"sk-ant-[a-z]+[0-9]{2}-[A-Za-z0-9_-]{24,256}"),
    # https://github.blog/engineering/platform-security/behind-githubs-new-authentication-token-formats/: prefix, then 36
    _rule("github-token", "ghp_ gho_ ghu_ ghr_", rb"gh[opru]_[A-Za-z0-9]{36,255}"),
    # GitHub App installations: once the same, today ghs_APPID_JWT, whose parts are base64url with dots between
    _rule("github-app-token", "ghs_", rb"ghs_[A-Za-z0-9._-]{36,2048}"),
    # fine-grained: 22 letters, an underscore, 59 letters
    _rule("github-fine-grained-token", "github_pat_", rb"github_pat_[A-Za-z0-9_]{60,255}"),
    # https://docs.gitlab.com/security/tokens/#token-prefixes: personal, deploy, runner, trigger, feed, agent, SCIM, job (a JWT today)
    _rule(
        "gitlab-token",
        "glpat- gldt- glrt- glptt- glft- glagent- glsoat- glcbt-",
        rb"gl(?:pat|dt|rt|ptt|ft|agent|soat|cbt)-[A-Za-z0-9_.-]{20,2048}",
    ),
    # RFC 7468 and OpenSSH's PROTOCOL.key; in a JSON log the line breaks are a literal \n, in YAML they are indented
    Rule(
        "private-key",
        tuple(b"-----BEGIN %bPRIVATE KEY-----" % kind for kind in _KEY_KINDS),
        re.compile(
            rb"-----BEGIN [A-Z ]{0,10}PRIVATE KEY-----" + _GAP + rb"{0,20}[A-Za-z0-9+/=]{24,4096}"
            rb"(?:" + _GAP + rb"{1,20}[A-Za-z0-9+/=]{1,4096}){0,200}"
        ),
    ),
    # https://github.com/C2SP/C2SP/blob/main/age.md: bech32 in capitals
    _rule("age-key", "AGE-SECRET-KEY-1", rb"AGE-SECRET-KEY-1[02-9AC-HJ-NP-Z]{58}" + _END),
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html: AKIA long-term, ASIA temporary; base 32
    _rule("aws-access-key", "AKIA ASIA", rb"A[KS]IA[A-Z2-7]{16}" + _END),
    # The same guide, "Manage access keys": forty letters of base64, which only the name before them tells from a path or a hash
    _rule(
        "aws-secret-key",
        "aws_secret_access_key AWS_SECRET_ACCESS_KEY SecretAccessKey secretAccessKey",
        rb"(?i:aws_secret_access_key|secretaccesskey)[\"'\\ \t:=>]{1,12}[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])",
        bits=4.0,
    ),
    # https://learn.microsoft.com/azure/storage/common/storage-configure-connection-string: 64 bytes in base64
    _rule("azure-storage-key", "AccountKey=", rb"AccountKey=[A-Za-z0-9+/]{86}=="),
    # https://cloud.google.com/docs/authentication/api-keys
    _rule("google-api-key", "AIza", rb"AIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])"),
    # https://developers.google.com/identity/protocols/oauth2: a client's secret, an access token
    _rule("google-oauth", "GOCSPX- ya29.", rb"(?:GOCSPX-[A-Za-z0-9_-]{28}|ya29\.[A-Za-z0-9_-]{40,2048})"),
    # https://docs.digitalocean.com/reference/api/create-personal-access-token/
    _rule("digitalocean-token", "dop_v1_ doo_v1_ dor_v1_", rb"do[opr]_v1_[0-9a-f]{64}" + _END),
    # https://docs.docker.com/security/access-tokens/
    _rule("docker-token", "dckr_pat_ dckr_oat_", rb"dckr_[po]at_[A-Za-z0-9_-]{27,64}"),
    # https://github.blog/changelog/2021-09-23-npm-has-a-new-access-token-format/
    _rule("npm-token", "npm_", rb"npm_[A-Za-z0-9]{36}" + _END),
    # https://docs.pypi.org/api/secrets/: a macaroon, whose first field says pypi.org or test.pypi.org
    _rule("pypi-token", "pypi-AgE", rb"pypi-AgE(?:IcHlwaS5vcmc|NdGVzdC5weXBpLm9yZw)[A-Za-z0-9_-]{50,1000}"),
    # https://guides.rubygems.org/api-key-scopes/
    _rule("rubygems-key", "rubygems_", rb"rubygems_[0-9a-f]{48}" + _END),
    # https://huggingface.co/docs/hub/security-tokens
    _rule("huggingface-token", "hf_", rb"hf_[A-Za-z]{34}" + _END, bits=3.5),
    # https://platform.openai.com/docs/api-reference/authentication; the mark of older ones is "OpenAI" in base64
    _rule("openai-key", "sk-proj- sk-svcacct- sk-admin-", rb"sk-(?:proj|svcacct|admin)-[A-Za-z0-9_-]{40,256}"),
    _rule("openai-key", "T3BlbkFJ", rb"sk-[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}" + _END, lead=23),
    # https://api.slack.com/concepts/token-types and https://api.slack.com/messaging/webhooks
    _rule("slack-token", "xoxb- xoxp- xoxa- xoxr-", rb"xox[abpr]-[0-9]{8,16}-[0-9A-Za-z-]{20,128}"),
    # the same behind xoxe, where tokens are rotated: https://docs.slack.dev/authentication/using-token-rotation
    _rule("slack-token", "xoxe.xox xoxe-", rb"xoxe(?:\.xox[bp])?-[0-9]-[A-Za-z0-9]{100,256}"),
    _rule("slack-app-token", "xapp-", rb"xapp-[0-9]-[A-Z0-9]{8,16}-[0-9]{8,16}-[0-9a-f]{32,128}"),
    _rule(
        "slack-webhook",
        "https://hooks.slack.com/services/",
        rb"https://hooks\.slack\.com/services/T[A-Z0-9]{7,12}/B[A-Z0-9]{7,12}/[A-Za-z0-9]{20,32}",
    ),
    # https://discord.com/developers/docs/resources/webhook: an id, and a token of 68
    _rule(
        "discord-webhook",
        "https://discord.com/api/webhooks/ https://discordapp.com/api/webhooks/",
        rb"https://discord(?:app)?\.com/api/webhooks/[0-9]{16,20}/[A-Za-z0-9_-]{60,80}",
    ),
    # https://docs.stripe.com/keys and https://docs.stripe.com/webhooks#verify-events
    _rule("stripe-key", "sk_live_ rk_live_ sk_test_ rk_test_", rb"[rs]k_(?:live|test)_[A-Za-z0-9]{24,247}"),
    _rule("stripe-webhook-secret", "whsec_", rb"whsec_[A-Za-z0-9+/]{32,64}={0,2}", bits=3.5),
    # https://www.twilio.com/docs/sendgrid/ui/account-and-settings/api-keys: 69 letters in three parts
    _rule("sendgrid-key", "SG.", rb"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])"),
    # https://developer.hashicorp.com/vault/docs/concepts/tokens: service, batch, recovery
    _rule("vault-token", "hvs. hvb. hvr.", rb"hv[sbr]\.[A-Za-z0-9_-]{24,400}", bits=4.0),
    # https://developer.hashicorp.com/terraform/cloud-docs/users-teams-organizations/api-tokens
    _rule("terraform-token", ".atlasv1.", rb"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{60,70}", lead=14),
    # https://grafana.com/docs/grafana/latest/administration/service-accounts/
    _rule("grafana-token", "glsa_", rb"glsa_[A-Za-z0-9]{32}_[0-9a-fA-F]{8}" + _END),
    # https://docs.databricks.com/dev-tools/auth/pat.html
    _rule("databricks-token", "dapi", rb"dapi[0-9a-f]{32}(?:-[0-9])?" + _END, bits=3.0),
    # https://support.atlassian.com/atlassian-account/docs/manage-api-tokens-for-your-atlassian-account/
    _rule("atlassian-token", "ATATT3", rb"ATATT3[A-Za-z0-9_=-]{180,200}"),
    # https://docs.sentry.io/account/auth-tokens/: an organisation's, a user's
    _rule("sentry-token", "sntrys_eyJ sntryu_", rb"(?:sntrys_eyJ[A-Za-z0-9+/=_-]{60,500}|sntryu_[0-9a-f]{64})"),
    # https://shopify.dev/changelog/length-of-the-shopify-access-token-is-increasing: public, custom, private app; shpss_ is an app's secret
    _rule("shopify-token", "shpat_ shpca_ shppa_ shpss_", rb"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}" + _END),
    # https://github.com/gitleaks/gitleaks/blob/master/cmd/generate/config/rules/linear.go
    _rule("linear-key", "lin_api_", rb"lin_api_[A-Za-z0-9]{40}" + _END),
    # https://developers.notion.com/page/notion-platform-roadmap, September 2024: ntn_ in the place of secret_; gitleaks has the lengths
    _rule("notion-token", "ntn_", rb"ntn_[0-9]{11}[A-Za-z0-9]{35}" + _END),
    # https://github.com/gitleaks/gitleaks/blob/master/cmd/generate/config/rules/postman.go
    _rule("postman-key", "PMAK-", rb"PMAK-[0-9a-f]{24}-[0-9a-f]{34}" + _END),
    # https://github.com/gitleaks/gitleaks/blob/master/cmd/generate/config/rules/newrelic.go: a user's
    _rule("new-relic-key", "NRAK-", rb"NRAK-[A-Z0-9]{27}" + _END),
    # https://github.com/gitleaks/gitleaks/blob/master/cmd/generate/config/rules/square.go: an application's secret
    _rule("square-secret", "sq0csp-", rb"sq0csp-[A-Za-z0-9_-]{43}" + _END),
    # https://docs.doppler.com/reference/auth-token-formats: personal, CLI, service (may name its config), service account, SCIM, audit
    _rule(
        "doppler-token",
        "dp.pt. dp.ct. dp.st. dp.sa. dp.scim. dp.audit.",
        rb"dp\.(?:pt|ct|st(?:\.[a-z0-9_-]{2,35})?|sa|scim|audit)\.[A-Za-z0-9]{40,44}" + _END,
    ),
    # https://github.com/gitleaks/gitleaks/blob/master/cmd/generate/config/rules/planetscale.go: service, OAuth, password
    _rule("planetscale-token", "pscale_tkn_ pscale_oauth_ pscale_pw_", rb"pscale_(?:tkn|oauth|pw)_[A-Za-z0-9_.=-]{32,64}"),
    # https://github.com/gitleaks/gitleaks/blob/master/cmd/generate/config/rules/pulumi.go
    _rule("pulumi-token", "pul-", rb"pul-[0-9a-f]{40}" + _END),
    # https://github.com/trufflesecurity/trufflehog/blob/main/pkg/detectors/figmapersonalaccesstoken/v2/figmapersonalaccesstoken_v2.go, v3
    _rule("figma-token", "figd_ figp_", rb"fig[dp]_[A-Za-z0-9_=-]{40,64}"),
    # https://github.com/supabase/cli/blob/265726d7c16e793110d4200f6f8b3fbd7a8158b3/internal/utils/access_token.go: personal, OAuth
    _rule("supabase-token", "sbp_", rb"sbp_(?:oauth_)?[0-9a-f]{40}" + _END),
    # https://github.com/trufflesecurity/trufflehog/blob/main/pkg/detectors/groq/groq.go
    _rule("groq-key", "gsk_", rb"gsk_[A-Za-z0-9]{52}" + _END),
    # https://replicate.com/docs/topics/security/api-tokens: 40 letters, r8_ among them
    _rule("replicate-token", "r8_", rb"r8_[A-Za-z0-9]{37}" + _END),
    # https://github.com/gitleaks/gitleaks/blob/master/cmd/generate/config/rules/perplexity.go
    _rule("perplexity-key", "pplx-", rb"pplx-[A-Za-z0-9]{48}" + _END),
    # https://tailscale.com/kb/1277/key-prefixes
    _rule("tailscale-key", "tskey-", rb"tskey-(?:auth|api|client|scim|webhook)-[A-Za-z0-9]{8,24}-[A-Za-z0-9]{24,48}" + _END),
    # https://circleci.com/changelog/new-format-for-api-access-tokens/: a person's, a project's
    _rule("circleci-token", "CCIPAT_ CCIPRJ_", rb"CCIP(?:AT|RJ)_[A-Za-z0-9]{22}_[0-9a-f]{40}" + _END),
    # https://docs.dynatrace.com/docs/shortlink/token: classic, SCIM, OAuth client (whose public part is shorter), platform
    _rule("dynatrace-token", "dt0c01. dt0s01. dt0s02. dt0s16.", rb"dt0(?:c01|s01|s02|s16)\.[A-Z2-7]{8,24}\.[A-Z2-7]{64}" + _END),
    # https://github.com/gitleaks/gitleaks/blob/master/cmd/generate/config/rules/sendinblue.go: API; SMTP is alike
    _rule("brevo-key", "xkeysib- xsmtpsib-", rb"x(?:key|smtp)sib-[0-9a-f]{64}-[A-Za-z0-9]{16}" + _END),
    # https://core.telegram.org/bots/api#authorizing-your-bot: the bot's number, and 35 letters; in a URL straight behind "bot"
    *(
        _rule("telegram-token", ":AA", rb"%b[0-9]{%d}:AA[A-Za-z0-9_-]{33}(?![A-Za-z0-9_-])" % (bot, digits), lead=len(bot) + digits)
        for bot in (b"", b"bot")
        for digits in (8, 9, 10)
    ),
    # RFC 7519 in RFC 7515's compact form: header and claims are JSON objects, so both begin with {" in base64
    _rule("json-web-token", "eyJ", rb"eyJ[A-Za-z0-9_-]{12,512}\.eyJ[A-Za-z0-9_-]{12,2048}\.[A-Za-z0-9_-]{22,1024}"),
)
"""What `audit-logs --rules all` looks for beside known values, and what redaction hides as well."""
