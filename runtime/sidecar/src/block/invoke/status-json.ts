/** A gRPC app's error as an HTTP caller sees it: google.rpc.Status in JSON, as Dapr answers it. */

/** `details`: encoded google.rpc.Status. Details of types that are not known here are left out. */
export async function statusJson(code: number, message: string, details: Uint8Array | undefined): Promise<string> {
  const status: { code: number; message?: string; details?: unknown[] } = { code };
  if (message !== '') status.message = message;
  if (details !== undefined) {
    const { detailsJson } = await import('./status-details-json.js');
    const shown = detailsJson(details);
    if (shown.length > 0) status.details = shown;
  }
  return JSON.stringify(status);
}
