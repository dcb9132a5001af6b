/** Runs a verb in this process and keeps what it prints. */
import { main } from '#runtime/cli/main.ts';

export interface Captured {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Not concurrent: stdout and stderr are the process's own. */
export async function sluice(...args: string[]): Promise<Captured> {
  const [out, err] = [tap(process.stdout), tap(process.stderr)];
  try {
    const code = await main(args);
    return { code, stdout: out.text(), stderr: err.text() };
  } finally {
    out.close();
    err.close();
  }
}

function tap(stream: NodeJS.WriteStream): { text(): string; close(): void } {
  const { write } = stream;
  let said = '';
  // What the test runner sends to its parent is bytes, what a verb prints is text.
  stream.write = ((...given: Parameters<typeof write>) => {
    if (typeof given[0] !== 'string') return write.apply(stream, given);
    said += given[0];
    return true;
  }) as typeof write;
  return {
    text: () => said,
    close() {
      stream.write = write;
    },
  };
}
