// Starts `a2l lsp`. Without vscode-languageclient (`npm install` in this folder) there are colours only.

let client;

async function activate() {
  const vscode = require("vscode");
  let LanguageClient;
  try {
    ({ LanguageClient } = require("vscode-languageclient/node"));
  } catch {
    vscode.window.showInformationMessage(`A2L: run "npm install" in ${__dirname} for errors, hover and completion.`);
    return;
  }
  const command = vscode.workspace.getConfiguration("a2l").get("command");
  const documentSelector = [{ language: "a2l" }, { language: "a2g" }];
  client = new LanguageClient("a2l", "A2L", { command, args: ["lsp"] }, { documentSelector });
  await client.start();
}

function deactivate() {
  return client?.stop();
}

module.exports = { activate, deactivate };
