/**
 * The URL of a module that is started by its file, not imported: `.ts` in a clone, `.js` in the packed tarball. Imports are
 * rewritten by the compiler; a URL in a string is not.
 */
export const sibling = (from: string, name: string): URL => new URL(`${name}${from.endsWith('.ts') ? '.ts' : '.js'}`, from);
