import { openSqliteStore } from "../../src/store/sqlite.ts";
import { storeContract } from "../contract/store-contract.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const pathOf = temporaryFolder();

storeContract("SQLite", () => openSqliteStore(pathOf(), { synchronous: "NORMAL" }));
