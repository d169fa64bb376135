// Socket.IO with its rooms and its default in-memory adapter, WebSocket only, no compression: the set-up its own
// performance guide recommends, on the plain ws engine. An event "p" goes to everybody in the sender's room.
import { createServer } from "node:http";
import { Server } from "socket.io";

const server = createServer();
const io = new Server(server, { transports: ["websocket"], perMessageDeflate: false, httpCompression: false });

io.on("connection", (socket) => {
  const { room, publishes } = socket.handshake.query;
  if (publishes !== "1") socket.join(room);
  socket.on("p", (text) => io.to(room).emit("p", text));
});
server.listen(Number(process.argv[2]), "127.0.0.1", 4096);
// Bounded, so that a peer that nobody stops ends by itself.
setTimeout(() => process.exit(0), 600_000);
