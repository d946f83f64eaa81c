/** A door into a network namespace: takes HTTP on a Unix socket, which namespaces share, and asks a server inside. */

/** Arguments: the socket's path, and the origin inside, such as `http://127.0.0.1:8000`. */
if (import.meta.main) {
  const [socket = "", origin = ""] = process.argv.slice(2);
  Bun.serve({
    unix: socket,
    fetch: async (request, server) => {
      const { url, method, headers, body, signal } = request;
      const { pathname, search } = new URL(url);
      // A job may be as slow as the test likes.
      server.timeout(request, 0);
      try {
        return await fetch(origin + pathname + search, {
          method,
          headers,
          signal,
          redirect: "manual",
          decompress: false,
          proxy: false,
          ...(body === null ? {} : { body: await new Response(body).arrayBuffer() }),
        });
      } catch (error) {
        return new Response(String(error), { status: 502 });
      }
    },
  });
}
