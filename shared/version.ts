/** The version of this program, and where it was built from. */
import manifest from "../package.json" with { type: "json" };

// Set by the build (release/compile.ts); from the sources, there are none.
declare const BUILD_COMMIT: string | undefined;
declare const BUILD_DATE: string | undefined;

/** As package.json has it. */
export const VERSION: string = manifest.version;

/** What `--version` prints after the name: in an executable, with commit and day. */
export const VERSION_AND_BUILD: string =
  typeof BUILD_COMMIT === "undefined" || typeof BUILD_DATE === "undefined"
    ? VERSION
    : `${VERSION} (${BUILD_COMMIT}, ${BUILD_DATE})`;
