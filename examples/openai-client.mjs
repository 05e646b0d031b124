// The openai client for JavaScript, against `sensorium serve`:
//     npm install openai
//     node examples/openai-client.mjs http://127.0.0.1:8756 talk.mp3 cat.png
import OpenAI, { toFile } from "openai";
import fs from "node:fs";
const client = new OpenAI({ baseURL: process.argv[2] + "/v1", apiKey: "none" });
const out = {};
out.models = (await client.models.list()).data.length;
const t = await client.audio.transcriptions.create({ model: "whisper-1", file: fs.createReadStream(process.argv[3]) });
out.text = t.text;
const speech = await client.audio.speech.create({ model: "tts-1", voice: "alloy", input: "The harvest was late this year." });
const bytes = Buffer.from(await speech.arrayBuffer());
out.speech = bytes.length;
const heard = await client.audio.transcriptions.create({ model: "whisper-1", file: await toFile(bytes, "speech.mp3"), response_format: "verbose_json" });
out.heard = heard.text;
out.embedding = (await client.embeddings.create({ model: "text-embedding-3-small", input: ["a cat"] })).data[0].embedding.length;
const image = "data:image/png;base64," + fs.readFileSync(process.argv[4]).toString("base64");
const chat = await client.chat.completions.create({ model: "gpt-4o", messages: [{ role: "user", content: [{ type: "text", text: "What is in the picture?" }, { type: "image_url", image_url: { url: image } }] }] });
out.answer = chat.choices[0].message.content;
let pieces = "";
for await (const chunk of await client.chat.completions.create({ model: "gpt-4o", stream: true, max_tokens: 16, messages: [{ role: "user", content: "Say hello." }] })) pieces += chunk.choices[0]?.delta?.content ?? "";
out.streamed = pieces;
out.picture = (await client.images.generate({ prompt: "a red car", size: "64x64", steps: 4 })).data[0].b64_json.length;
const response = await client.responses.create({ model: "gpt-4o", input: "Say hello.", max_output_tokens: 16 });
out.response = response.output_text;
out.flagged = (await client.moderations.create({ input: [{ type: "image_url", image_url: { url: image } }] })).results[0].flagged;
try { await client.models.retrieve("no/such"); } catch (error) { out.error = [error.status, error.message, error.requestID]; }
console.log(JSON.stringify(out, null, 1));
