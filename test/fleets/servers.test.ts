import { matrixBrokers } from "./brokers.ts";
import { smallMatrix } from "./small.ts";

smallMatrix(matrixBrokers.filter(({ isEmbedded }) => !isEmbedded));
