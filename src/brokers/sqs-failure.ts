// What SQS's refusals mean, in sentences for an operator.

import { reasonOf } from "../core/errors.ts";
import { codeOf } from "./amqp-failure.ts";
import { tlsFailure } from "./tls.ts";

/**
 * What an error is about. `queue`: this one only, the others go on. `request`: something in it; sent apart, its messages show which.
 * `busy`: SQS asks to come again later. `service`: there is no SQS, or not for us.
 */
export interface SqsFailure {
  readonly concerns: "queue" | "request" | "busy" | "service";
  readonly reason: string;
  /** Only a human can help. */
  readonly permanent: boolean;
}

const missing = new Set(["QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", "QueueDeletedRecently"]);
const denied = new Set(["AccessDenied", "AccessDeniedException", "AuthorizationError", "InvalidSecurity"]);
const throttled = new Set([
  "RequestThrottled",
  "ThrottlingException",
  "Throttling",
  "ThrottledException",
  "RequestThrottledException",
  "TooManyRequestsException",
  "RequestLimitExceeded",
  "SlowDown",
  "KmsThrottled",
]);
const unknownCredentials = new Set([
  "InvalidClientTokenId",
  "UnrecognizedClientException",
  "InvalidAccessKeyId",
  "SignatureDoesNotMatch",
  "InvalidSignatureException",
  "IncompleteSignature",
  "MissingAuthenticationToken",
  "MissingAuthenticationTokenException",
  "NotAuthorized",
  "OptInRequired",
]);
const expiredCredentials = new Set(["ExpiredToken", "ExpiredTokenException"]);

/** Why a request failed. `queue`: the one that it was about. `at`: where it went. */
export function sqsFailure(error: unknown, queue: string, at: string): SqsFailure {
  const text = reasonOf(error);
  const name = error instanceof Error ? error.name : "";
  const code = String((error as { Code?: unknown }).Code ?? name);
  const status = (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode;
  const is = (names: ReadonlySet<string>) => names.has(name) || names.has(code);
  const ofQueue = (reason: string): SqsFailure => ({ concerns: "queue", reason, permanent: false });
  const ofService = (reason: string, permanent = false): SqsFailure => ({ concerns: "service", reason, permanent });

  if (is(missing)) return ofQueue(`queue "${queue}" does not exist in ${at}`);
  if (is(throttled) || status === 429)
    return { concerns: "busy", reason: `${at} throttles requests: ${text}`, permanent: false };
  if (is(denied))
    return ofQueue(
      `${at} does not let Beat send to queue "${queue}": ${text}. It needs sqs:SendMessage, and sqs:GetQueueUrl unless predefined_queues has the queue's url`,
    );
  if (name.startsWith("Kms")) return ofQueue(`the key of queue "${queue}" cannot be used (${name}): ${text}`);
  if (is(expiredCredentials)) return ofService(`the AWS credentials have expired: ${text}`, true);
  if (is(unknownCredentials) || status === 401)
    return ofService(`${at} refuses the AWS credentials (${name}): ${text}`, true);
  if (name === "CredentialsProviderError" || name === "TokenProviderError")
    return ofService(
      `there are no AWS credentials: ${text}. Give them as AWS tools find them (environment, profile, role), or write sqs://key:secret@`,
      true,
    );
  if (status !== undefined && status >= 500)
    return { concerns: "busy", reason: `${at} answers ${status}: ${text}`, permanent: false };
  if (status === 403) return ofQueue(`${at} refuses to send to queue "${queue}" (${name}): ${text}`);
  if (status !== undefined && status >= 400)
    return { concerns: "request", reason: `${at} refuses it (${name}): ${text}`, permanent: false };
  return ofService(...unreachable(error, name, text, at));
}

function unreachable(error: unknown, name: string, text: string, at: string): [reason: string, permanent: boolean] {
  const code = codeOf(error);
  if (code === "ECONNREFUSED") return [`nothing listens at ${at}`, false];
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") return [`the host name of ${at} cannot be resolved`, false];
  if (name === "AbortError" || name === "TimeoutError" || code === "ETIMEDOUT") return [`no answer from ${at}`, false];
  const untrusted = tlsFailure(code, text);
  if (untrusted !== undefined) return [`${at} ${untrusted}`, true];
  return [`the connection to ${at} broke: ${text}`, false];
}

/** Whether a message that SQS did not take, of a batch that it did, may be taken later. */
export function isPassing({
  Code = "",
  SenderFault,
}: {
  Code?: string | undefined;
  SenderFault?: boolean | undefined;
}): boolean {
  return SenderFault !== true || throttled.has(Code);
}
