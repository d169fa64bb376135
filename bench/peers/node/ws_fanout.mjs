// Node's ws as its documentation shows a broadcast: one send for each subscriber. What comes in at /p/N goes to
// everybody at /s/N; nothing is stored. Compression is off, as with all that are compared.
import { createServer } from "node:http";
import { WebSocketServer } from "ws";

const rooms = new Map();
const server = createServer();
const sockets = new WebSocketServer({ server, perMessageDeflate: false });

sockets.on("connection", (socket, request) => {
  const [, kind, channel] = request.url.split("/");
  if (!rooms.has(channel)) rooms.set(channel, new Set());
  const room = rooms.get(channel);
  if (kind === "s") {
    room.add(socket);
    socket.on("close", () => room.delete(socket));
  }
  socket.on("message", (data) => {
    for (const subscriber of room) subscriber.send(data, { binary: true });
  });
});
server.listen(Number(process.argv[2]), "127.0.0.1", 4096);
// Bounded, so that a peer that nobody stops ends by itself.
setTimeout(() => process.exit(0), 600_000);
