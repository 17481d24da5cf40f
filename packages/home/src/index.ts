export { type Home, type HomeOptions, type HomeStatus, startHome } from "./home.ts";
