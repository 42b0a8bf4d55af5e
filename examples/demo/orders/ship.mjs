// Handles `order.charged.v1`: an ordinary HTTP server, which is all that a handler is.
import { createServer } from "node:http";

const server = createServer(async (request, response) => {
  let body = "";
  for await (const piece of request) body += piece;
  const { order_id } = JSON.parse(body);
  // The same for every attempt at this event: what is done elsewhere is done under this key.
  const parcel = request.headers["idempotency-key"].slice(0, 8);
  const outcome = {
    result: { parcel },
    push: { state: "shipped", order_id, parcel, by: `node ${process.version}` },
  };
  response.setHeader("content-type", "application/vnd.headgate.outcome+json");
  response.end(JSON.stringify(outcome));
});

server.listen(0, "127.0.0.1", () => console.log(server.address().port));

// It ends with whoever started it.
process.stdin.on("end", () => process.exit()).resume();
